"""«Delivered» and «read» marks that wait to be sent.

Only the newest mark of a conversation is sent, so a burst becomes one frame. A mark that may have been lost with its connection
is sent again; repeating one changes nothing.
"""

import asyncio
import time
from typing import Final

from chat_client.errors import ConnectionLost
from chat_client.link import Link

SPACING_SECONDS: Final = 0.1
"""The server accepts 20 events a second on a connection; this leaves half of them for everything else."""

DOUBT_SECONDS: Final = 10.0
"""«Delivered» has no answer: one that was sent within this time before the connection broke may not have arrived."""

EVERYTHING: Final = 2**53 - 1
"""Means «everything» where seqs are compared."""

Mark = tuple[str, str]
"""Event type and conversation."""


class Receipts:
    """The newest mark of each kind and conversation, until it needn't be sent any more."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._latest: dict[Mark, int] = {}
        self._due: dict[Mark, int] = {}
        self._sent_at: dict[Mark, float] = {}
        self._wanted = asyncio.Event()

    def add(self, event_type: str, conversation_id: str, seq: int | None) -> None:
        """Queue a mark, unless there is a newer one. `seq` None means everything."""
        mark = (event_type, conversation_id)
        if seq is None or self._latest.get(mark, 0) < seq:
            self._latest[mark] = self._due[mark] = EVERYTHING if seq is None else seq
            self._wanted.set()

    def acknowledge(self, event_type: str, conversation_id: str, seq: int) -> None:
        """Note that the server has stored a mark: it needn't be sent after a reconnect."""
        mark = (event_type, conversation_id)
        latest = self._latest.get(mark)
        if latest is not None and (latest <= seq or latest == EVERYTHING):
            self._latest.pop(mark)
            self._sent_at.pop(mark, None)

    def refused(self, event_type: str, conversation_id: str) -> None:
        """Note that the server refused a mark for now."""
        self.resume({(event_type, conversation_id)})

    def suspend(self) -> None:
        """Handle a lost connection: marks that may not have arrived are due again after the reconnect."""
        doubtful_since = time.monotonic() - DOUBT_SECONDS
        for mark in list(self._sent_at):
            event_type, _ = mark
            sent_at, seq = self._sent_at.pop(mark), self._latest.get(mark)
            # Without a seq, it was acknowledged before its frame was written to the end.
            if seq is not None and (event_type == "message.read" or sent_at >= doubtful_since):
                self._due.setdefault(mark, seq)

    def resume(self, marks: set[Mark] | None = None) -> None:
        """Make marks due: after a reconnect all that were not acknowledged, or only `marks`."""
        self._due.update({mark: self._latest[mark] for mark in marks or () if mark in self._latest})
        if self._due:
            self._wanted.set()

    async def run(self) -> None:
        """Send due marks, with pauses between them, while there is a connection. Ends with ClientClosed."""
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
