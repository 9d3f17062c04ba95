"""Frames that are answered by one event: `ping`, `block.add`, `block.remove`. One of a kind is under way at a time."""

import asyncio
from collections import defaultdict
from typing import Any, Final

from chat_client.answers import forget
from chat_client.errors import ChatError, ServerError
from chat_client.link import Link

ANSWER_SECONDS: Final = 10.0

Payload = dict[str, Any]


class Requests:
    """Who waits for which answer."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: dict[str, tuple[str, asyncio.Future[Payload]]] = {}

    async def ask(self, event_type: str, payload: Payload, answer_type: str) -> Payload:
        """The payload of the answer. Raises ServerError, ConnectionLost, TimeoutError, ClientClosed."""
        async with self._turns[event_type], asyncio.timeout(ANSWER_SECONDS):
            await self._link.wait_open()
            answer: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._waiting[event_type] = (answer_type, answer)
            try:
                await self._link.send(event_type, payload)
                return await answer
            finally:
                del self._waiting[event_type]
                forget(answer)

    def answer(self, answer_type: str, payload: Payload) -> None:
        """An event came."""
        for expected, answer in self._waiting.values():
            if expected == answer_type and not answer.done():
                answer.set_result(payload)

    def refuse(self, error: ServerError) -> None:
        """An error came."""
        _, answer = self._waiting.get(error.ref.get("type", ""), (None, None))
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def suspend(self, reason: ChatError) -> None:
        """The connection is lost."""
        for _, answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(reason)
