"""Who is let in: how many connections, how many handshakes a second, and nobody while the gateway drains."""

from typing import Final

from services.gateway.session.hub import Hub
from shared.protocol.errors import ErrorCode, ProtocolError

BURST_SECONDS: Final = 2.0
RESERVED: Final = 0.5
"""The part of the burst that is kept for clients with a cursor: they reconnect, and cost less than cold ones."""
RETRY_SECONDS: Final = 5.0


class Admission:
    """A connection limit and a token bucket. `now` is monotonic seconds."""

    def __init__(self, hub: Hub, max_connections: int, handshakes_per_second: float) -> None:
        self._hub = hub
        self._max_connections = max_connections
        self._per_second = handshakes_per_second
        self._tokens = self._most = max(handshakes_per_second * BURST_SECONDS, 1 / (1 - RESERVED))
        self._filled_at = 0.0
        self.draining = False

    def admit(self, now: float, *, returning: bool) -> None:
        """Let one handshake pass. Raises ProtocolError (unavailable, with `retryAfter`)."""
        if self.draining:
            raise _unavailable("The gateway is shutting down", 1.0)
        if len(self._hub) >= self._max_connections:
            raise _unavailable("The gateway is full", RETRY_SECONDS)
        if not self._per_second:
            return
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        needed = 1.0 if returning else 1.0 + self._most * RESERVED
        if self._tokens < needed:
            raise _unavailable("Too many clients connect at once", max(1.0, (needed - self._tokens) / self._per_second))
        self._tokens -= 1.0


def _unavailable(message: str, retry_after: float) -> ProtocolError:
    return ProtocolError(ErrorCode.UNAVAILABLE, message, retry_after=retry_after)
