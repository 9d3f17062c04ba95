"""Commands that are answered by one event: pings, blocks, edits, reactions. One of a kind is under way at a time."""

import asyncio
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from anyio import fail_after

from chat_client.answers import forget
from chat_client.errors import ChatError, ServerError
from chat_client.link import Link

ANSWER_SECONDS: Final = 10.0

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A caller that waits for an event of `type` whose payload has these `fields`."""

    type: str
    fields: Payload
    answer: asyncio.Future[Payload]

    def fits(self, event_type: str, payload: Payload) -> bool:
        return event_type == self.type and all(
            _is_same(name, payload.get(name), value) for name, value in self.fields.items()
        )


class Requests:
    """The callers that wait for answers."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: dict[str, _Waiting] = {}

    async def ask(self, event_type: str, payload: Payload, answer_type: str, fields: Payload | None = None) -> Payload:
        """Send a command, and return the payload of its answer: the next event of type `answer_type` with these `fields`.

        Raises ServerError, ConnectionLost, TimeoutError, ClientClosed.
        """
        async with self._turns[event_type]:
            with fail_after(ANSWER_SECONDS):
                return await self._exchange(event_type, payload, _Waiting(answer_type, fields or {}, _new_answer()))

    def answer(self, answer_type: str, payload: Payload) -> None:
        """Complete the calls that an event answers."""
        for waiting in self._waiting.values():
            if waiting.fits(answer_type, payload) and not waiting.answer.done():
                waiting.answer.set_result(payload)

    def refuse(self, error: ServerError) -> None:
        """Fail the call that an error refers to."""
        waiting = self._waiting.get(error.ref.get("type", ""))
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_exception(error)

    def suspend(self, reason: ChatError) -> None:
        """Fail all calls, because the connection is lost."""
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(reason)

    async def _exchange(self, event_type: str, payload: Payload, waiting: _Waiting) -> Payload:
        await self._link.wait_open()
        self._waiting[event_type] = waiting
        try:
            await self._link.send(event_type, payload)
            return await waiting.answer
        finally:
            del self._waiting[event_type]
            forget(waiting.answer)


def _is_same(name: str, given: Any, wanted: Any) -> bool:
    """Return whether a field has the wanted value. The server answers with its own spelling of a username."""
    return given == wanted or (name == "username" and _folded(str(given)) == _folded(wanted))


def _folded(username: str) -> str:
    """Return the form in which usernames are compared: by NFKC and case folding."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", username).casefold())


def _new_answer() -> asyncio.Future[Payload]:
    return asyncio.get_running_loop().create_future()
