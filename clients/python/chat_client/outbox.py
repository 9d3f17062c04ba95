"""Messages under way. Each is sent again, with the same `tempId`, until the server has stored it or refuses it permanently.

One message of a conversation is in flight at a time, so that messages keep their order when one is refused temporarily (by a rate
limit or a time-out). Conversations don't wait for each other.
"""

import asyncio
import json
import time
from collections import defaultdict
from itertools import count
from typing import Any, Final, NamedTuple

from anyio import fail_after

from chat_client.advice import Random, full_jitter
from chat_client.answers import forget
from chat_client.errors import ChatError, ConnectionLost, FrameTooBig, ServerError
from chat_client.link import Link
from chat_client.wire import Message

ACK_SECONDS: Final = 15.0
UNANSWERED_SECONDS: Final = 4.0
"""After this time without an answer, the connection is checked."""


class Flight(NamedTuple):
    """A message that was sent, and the future of its stored form."""

    payload: dict[str, Any]
    answer: asyncio.Future[Message]


class Outbox:
    """Messages that wait for their `message.sent`."""

    def __init__(self, link: Link, random: Random) -> None:
        self._link = link
        self._random = random
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._flights: dict[tuple[str, str], Flight] = {}
        self._paused_until = 0.0

    async def send(self, conversation_id: str, temp_id: str, payload: dict[str, Any]) -> Message:
        """Send a message, and return it as stored. Raises ServerError when it is refused permanently, FrameTooBig, ClientClosed.

        Messages of one conversation are stored in the order of the calls.
        """
        async with self._turns[conversation_id]:
            for attempt in count():
                await self._may_send()
                try:
                    return await self._try(conversation_id, temp_id, payload)
                except (ConnectionLost, TimeoutError):
                    # The outcome is unknown. The same tempId again returns the message, if it was stored.
                    continue
                except ServerError as error:
                    if not error.retryable:
                        raise
                    await self._back_off(error, attempt)
        raise AssertionError("unreachable")

    def settle(self, temp_id: str | None, message: Message) -> None:
        """Complete a message that the server has stored."""
        flight = self._flights.get((message["conversationId"], temp_id or ""))
        if flight is not None and not flight.answer.done():
            flight.answer.set_result(message)

    def refuse(self, error: ServerError) -> None:
        """Handle a refusal, temporary or permanent."""
        flight = self._flights.get((error.ref.get("conversationId", ""), error.ref.get("tempId", "")))
        if flight is not None and not flight.answer.done():
            flight.answer.set_exception(error)

    def fail_largest(self, reason: FrameTooBig) -> None:
        """Fail the largest message, because the server ended the connection over a frame's size. It must not be sent again."""
        waiting = [flight for flight in self._flights.values() if not flight.answer.done()]
        if waiting:
            largest = max(waiting, key=lambda flight: len(json.dumps(flight.payload, ensure_ascii=False).encode()))
            largest.answer.set_exception(reason)

    def suspend(self, reason: ChatError) -> None:
        """Handle a lost connection: messages in flight may or may not have arrived."""
        for flight in self._flights.values():
            if not flight.answer.done():
                flight.answer.set_exception(reason)

    async def _try(self, conversation_id: str, temp_id: str, payload: dict[str, Any]) -> Message:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Message] = loop.create_future()
        doubt = loop.call_later(UNANSWERED_SECONDS, self._link.probe)
        self._flights[conversation_id, temp_id] = Flight(payload, answer)
        try:
            await self._link.send("message.send", payload)
            with fail_after(ACK_SECONDS):
                return await answer
        finally:
            doubt.cancel()
            del self._flights[conversation_id, temp_id]
            forget(answer)

    async def _may_send(self) -> None:
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        await self._link.wait_open()

    async def _back_off(self, error: ServerError, attempt: int) -> None:
        floor = error.retry_after or 0.0
        # An outage ends for all clients at the same time. With exponential back-off a client would notice it late.
        is_outage = error.code == "send_failed" and floor > 0
        delay = floor + (self._random() * floor if is_outage else full_jitter(attempt, self._random))
        if error.retry_after is not None:
            # The limit counts the user's messages in all conversations, so the other conversations wait too.
            self._paused_until = max(self._paused_until, time.monotonic() + error.retry_after)
        await asyncio.sleep(delay)
