"""«Delivered» and «read» marks on their way.

Only the newest of a conversation counts, so a burst becomes one frame. A mark that may have been lost with its
connection is sent again: repeating one changes nothing.
"""

import asyncio
import time
from typing import Final

from chat_client.errors import ConnectionLost
from chat_client.link import Link

SPACING_SECONDS: Final = 0.1
"""The server takes 20 events a second on a connection: this leaves half for typing and the rest."""

DOUBT_SECONDS: Final = 10.0
"""A «delivered» has no answer: one that left this shortly before its connection broke may not have arrived."""

EVERYTHING: Final = 2**53 - 1
"""Stands for «all there is» where a seq is compared."""

Mark = tuple[str, str]
"""Event type and conversation."""


class Receipts:
    """The newest mark of each kind and conversation, until it need not be sent any more."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._latest: dict[Mark, int] = {}
        self._due: dict[Mark, int] = {}
        self._sent_at: dict[Mark, float] = {}
        self._wanted = asyncio.Event()

    def add(self, event_type: str, conversation_id: str, seq: int | None) -> None:
        """Have a mark sent, unless a newer one is known. `seq` None means everything."""
        mark = (event_type, conversation_id)
        if seq is None or self._latest.get(mark, 0) < seq:
            self._latest[mark] = self._due[mark] = EVERYTHING if seq is None else seq
            self._wanted.set()

    def acknowledge(self, event_type: str, conversation_id: str, seq: int) -> None:
        """The server has stored a mark: it need not be sent after a reconnect."""
        mark = (event_type, conversation_id)
        latest = self._latest.get(mark)
        if latest is not None and (latest <= seq or latest == EVERYTHING):
            self._latest.pop(mark)
            self._sent_at.pop(mark, None)

    def refused(self, event_type: str, conversation_id: str) -> None:
        """The server could not take a mark now."""
        self.resume({(event_type, conversation_id)})

    def suspend(self) -> None:
        """The connection is lost: what may not have arrived is due again, once there is another."""
        doubtful_since = time.monotonic() - DOUBT_SECONDS
        for mark in list(self._sent_at):
            event_type, _ = mark
            if event_type == "message.read" or self._sent_at[mark] >= doubtful_since:
                self._due.setdefault(mark, self._latest[mark])
            del self._sent_at[mark]

    def resume(self, marks: set[Mark] | None = None) -> None:
        """Send what is due: after a reconnect all that was not acknowledged, or `marks` alone."""
        self._due.update({mark: self._latest[mark] for mark in marks or () if mark in self._latest})
        if self._due:
            self._wanted.set()

    async def run(self) -> None:
        """Send what is due, spaced, while there is a connection. Ends with ClientClosed."""
        while True:
            await self._wanted.wait()
            await self._link.wait_open()
            if not self._due:
                self._wanted.clear()
                continue
            mark = next(iter(self._due))
            seq = self._due.pop(mark)
            event_type, conversation_id = mark
            payload = {"conversationId": conversation_id, **({} if seq == EVERYTHING else {"seq": seq})}
            try:
                await self._link.send(event_type, payload)
            except ConnectionLost:
                self._due.setdefault(mark, seq)
            else:
                self._sent_at[mark] = time.monotonic()
            await asyncio.sleep(SPACING_SECONDS)
