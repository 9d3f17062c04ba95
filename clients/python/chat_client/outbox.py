"""Messages on their way: each is sent again, with the same `tempId`, until the server has stored it or says that it never will.

One message of a conversation is in flight at a time: only so does a message that was refused for a while (a rate limit,
a time-out) not overtake the ones before it. Conversations don't wait for each other.
"""

import asyncio
import time
from collections import defaultdict
from itertools import count
from typing import Any, Final

from chat_client.advice import Random, full_jitter
from chat_client.answers import forget
from chat_client.errors import ChatError, ConnectionLost, ServerError
from chat_client.link import Link
from chat_client.resources import Message

ACK_SECONDS: Final = 15.0

Answer = asyncio.Future[Message]


class Outbox:
    """Messages that wait for their `message.sent`."""

    def __init__(self, link: Link, random: Random) -> None:
        self._link = link
        self._random = random
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._answers: dict[tuple[str, str], Answer] = {}
        self._paused_until = 0.0

    async def send(self, conversation_id: str, temp_id: str, payload: dict[str, Any]) -> Message:
        """The message as stored. Raises ServerError when it never will be, FrameTooBig, ClientClosed.

        Messages of one conversation are stored in the order of the calls.
        """
        async with self._turns[conversation_id]:
            for attempt in count():
                await self._may_send()
                try:
                    return await self._try(conversation_id, temp_id, payload)
                except (ConnectionLost, TimeoutError):
                    # Unknown outcome: the same tempId again finds the message, if it was stored.
                    continue
                except ServerError as error:
                    if not error.retryable:
                        raise
                    await self._back_off(error, attempt)
        raise AssertionError("unreachable")

    def settle(self, temp_id: str | None, message: Message) -> None:
        """The server has stored a message."""
        answer = self._answers.get((message["conversationId"], temp_id or ""))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def refuse(self, error: ServerError) -> None:
        """The server has refused a message, for now or for good."""
        answer = self._answers.get((error.ref.get("conversationId", ""), error.ref.get("tempId", "")))
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def suspend(self, reason: ChatError) -> None:
        """The connection is lost: what was in flight may or may not have arrived."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(reason)

    async def _try(self, conversation_id: str, temp_id: str, payload: dict[str, Any]) -> Message:
        answer: Answer = asyncio.get_running_loop().create_future()
        self._answers[conversation_id, temp_id] = answer
        try:
            await self._link.send("message.send", payload)
            async with asyncio.timeout(ACK_SECONDS):
                return await answer
        finally:
            del self._answers[conversation_id, temp_id]
            forget(answer)

    async def _may_send(self) -> None:
        pause = self._paused_until - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        await self._link.wait_open()

    async def _back_off(self, error: ServerError, attempt: int) -> None:
        delay = (error.retry_after or 0.0) + full_jitter(attempt, self._random)
        if error.retry_after is not None:
            # The limit counts the user's messages in all conversations: the others need not try before then either.
            self._paused_until = max(self._paused_until, time.monotonic() + error.retry_after)
        await asyncio.sleep(delay)
