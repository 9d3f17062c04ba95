"""`status.bulk`, the snapshot of a new connection's friends: transient events that come before it wait for it."""

from typing import Final

MAX_EARLY: Final = 32
"""Transient events that wait for `status.bulk`; more are shed."""


class FriendSnapshot:
    """The parts of one connection's `status.bulk`, and the frames that wait for the last part."""

    __slots__ = ("_parts", "early")

    def __init__(self) -> None:
        self._parts = 0
        self.early: list[bytes] = []
        """Frames that wait, oldest first."""

    def keep(self, frame: bytes) -> None:
        """Let `frame` wait, or drop it when too many wait already."""
        if len(self.early) < MAX_EARLY:
            self.early.append(frame)

    def add_part(self, of_parts: int) -> bool:
        """One of `of_parts` events was written. True when it was the last."""
        self._parts += 1
        return self._parts >= of_parts
