"""Ends others' typing indicators when their `typing.stop` is lost."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

LATE_SECONDS: Final = 0.5
"""Extra time beyond `expiresInMs`, in which the server's own `typing.stop` usually comes."""
DEFAULT_MS: Final = 3_000

Payload = dict[str, Any]


class TypingExpiry:
    """Calls `on_expired` with the payload of a missing `typing.stop`."""

    def __init__(self, on_expired: Callable[[Payload], None]) -> None:
        self._on_expired = on_expired
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def started(self, payload: Payload) -> None:
        """Start the timer of an indicator."""
        self.stopped(payload)
        who = (payload["conversationId"], payload["userId"])
        seconds = payload.get("expiresInMs", DEFAULT_MS) / 1000 + LATE_SECONDS
        self._timers[who] = asyncio.get_running_loop().call_later(seconds, self._expire, who)

    def stopped(self, payload: Payload) -> None:
        """Cancel the timer of an indicator."""
        timer = self._timers.pop((payload["conversationId"], payload["userId"]), None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Cancel all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _expire(self, who: tuple[str, str]) -> None:
        del self._timers[who]
        conversation_id, user_id = who
        self._on_expired({"conversationId": conversation_id, "userId": user_id})
