"""Commands of one connection that wait for a batch, or are in one."""

from typing import Final

from services.gateway.transport.reading import Reading
from shared.protocol import relay

HOLD_BYTES: Final = 64 * 1024
"""While more than this waits, the connection may not be read."""


class CommandQueue:
    """The commands of one connection: those that wait, and the batch with the earlier ones. Times are monotonic seconds."""

    __slots__ = ("_held", "batch_id", "batched_since", "changes", "waiting", "waiting_bytes", "waiting_since")

    def __init__(self) -> None:
        self._held: Reading | None = None
        self.waiting: list[relay.Command] = []
        self.waiting_bytes = 0
        self.waiting_since = 0.0
        """When the first waiting command came, or the one before it left."""
        self.changes = False
        """A waiting command needs the changes queue; then all of them go there."""
        self.batch_id: int | None = None
        """The batch that is under way, or None."""
        self.batched_since = 0.0
        """When the first command in that batch came."""

    @property
    def busy(self) -> bool:
        """True while a command waits for its answer."""
        return self.batch_id is not None or bool(self.waiting)

    def hold(self, reading: Reading) -> None:
        """Have nothing more read until there is room."""
        if self._held is None:
            self._held = reading
            reading.hold()

    def clear(self) -> list[relay.Command]:
        """Remove and return the waiting commands."""
        commands, self.waiting = self.waiting, []
        self.waiting_bytes, self.changes = 0, False
        if self._held is not None:
            self._release()
        return commands

    def move_to(self, batch_id: int, count: int, size: int, now: float) -> list[relay.Command]:
        """Move the first `count` waiting commands, of `size` bytes, to a batch, and return them. The others wait from now."""
        self.batch_id, self.batched_since = batch_id, self.waiting_since
        if count == len(self.waiting):
            return self.clear()
        commands = self.waiting[:count]
        del self.waiting[:count]
        self.waiting_bytes -= size
        self.waiting_since = now
        if self._held is not None and self.waiting_bytes <= HOLD_BYTES:
            self._release()
        return commands

    def _release(self) -> None:
        reading, self._held = self._held, None
        if reading is not None:
            reading.release()
