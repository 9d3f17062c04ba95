"""Holds transient events that come before `status.bulk`, the snapshot of a new connection's friends."""

from typing import Final

MAX_WAITING: Final = 32
"""Transient events that wait for `status.bulk`; more are shed."""


class TransientGate:
    """Counts the parts of one connection's `status.bulk`, and holds frames until the last one was written."""

    __slots__ = ("_parts", "waiting")

    def __init__(self) -> None:
        self._parts = 0
        self.waiting: list[bytes] = []
        """Frames that wait, oldest first."""

    def hold(self, frame: bytes) -> None:
        """Hold `frame`, or drop it when too many wait already."""
        if len(self.waiting) < MAX_WAITING:
            self.waiting.append(frame)

    def add_part(self, of_parts: int) -> bool:
        """Count one of the `of_parts` events of `status.bulk`. True when it was the last."""
        self._parts += 1
        return self._parts >= of_parts
