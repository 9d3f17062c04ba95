"""Which commands go together: the rules of batches, without I/O.

A connection has at most one batch under way; what it says meanwhile waits with it and leaves together, in order.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.gateway import metrics
from services.gateway.session.command_queue import CommandQueue
from services.gateway.session.connection import Connection
from shared.protocol import limits, relay

MAX_WAITING: Final = limits.MAX_COMMANDS_PER_BATCH
"""Commands of one connection that may wait for its batch under way."""
MAX_BYTES: Final = limits.MAX_BATCH_BYTES
"""What the commands of one connection that wait, and a batch, may take."""
COMMAND_BYTES: Final = 512
"""Of a command without its texts: its ids, and a name of 64 characters."""
TEXTS: Final = ("content", "media", "metadata", "username")
"""Fields of commands that clients fill freely."""
BYTES_PER_CHARACTER: Final = 4
"""UTF-8's longest."""
ANSWER_SECONDS: Final = 10.0
"""A command without answer for so long is given up: its outcome is unknown."""


@dataclass(slots=True)
class Batch:
    """Commands that left together, and the queues that they came from. `at`: monotonic seconds.

    `changes`: it goes by the queue of changes.
    """

    id: int
    members: list[CommandQueue]
    commands: list[relay.Command]
    at: float
    changes: bool = False


class Batches:
    """The commands of all connections: waiting, or under way in a batch."""

    def __init__(self) -> None:
        self._ready: deque[CommandQueue] = deque()
        self._under_way: dict[int, Batch] = {}
        self._last_id = 0

    @property
    def idle(self) -> bool:
        """True when nothing waits and nothing is under way."""
        return not self._ready and not self._under_way

    @property
    def waiting(self) -> bool:
        """True when a batch could be formed."""
        return bool(self._ready)

    def add(self, connection: Connection, command: relay.Command, now: float) -> bool:
        """Let `command` wait for the connection's next batch. False when too many wait already."""
        queue = connection.commands
        if queue is None:
            queue = connection.commands = CommandQueue()
        size = bytes_of(command)
        if len(queue.waiting) >= MAX_WAITING or queue.waiting_bytes + size > MAX_BYTES:
            return False
        queue.waiting.append(command)
        queue.changes = queue.changes or relay.needs_changes_queue(command)
        queue.waiting_bytes += size
        if len(queue.waiting) == 1:
            queue.waiting_since = now
            if queue.batch_id is None:
                self._ready.append(queue)
        return True

    def take(self, now: float) -> Batch | None:
        """Form the next batch, of whole connections that go by the same queue, oldest first; None when nothing waits."""
        members: list[CommandQueue] = []
        commands: list[relay.Command] = []
        ready, batch_id, size = self._ready, self._last_id + 1, 0
        others: list[CommandQueue] = []
        changes = bool(ready) and ready[0].changes
        while ready and len(commands) + len(ready[0].waiting) <= limits.MAX_COMMANDS_PER_BATCH > len(others):
            queue = ready.popleft()
            if queue.changes is changes and size + queue.waiting_bytes <= MAX_BYTES:
                size += queue.waiting_bytes
                commands += queue.move_to(batch_id)
                members.append(queue)
            else:
                others.append(queue)
        ready.extendleft(reversed(others))
        if not members:
            return None
        self._last_id = batch_id
        batch = self._under_way[batch_id] = Batch(batch_id, members, commands, now, changes)
        metrics.BATCHES_IN_FLIGHT.set(len(self._under_way))
        return batch

    def complete(self, batch_ids: Iterable[int], now: float) -> None:
        """Messaging is done with these batches; unknown ones were given up."""
        for batch_id in batch_ids:
            batch = self.end(batch_id)
            if batch is not None:
                for queue in batch.members:
                    metrics.ACK_LATENCY.observe(now - queue.batched_since)

    def end(self, batch_id: int) -> Batch | None:
        """A batch is no longer under way: its connections' next commands may go. None when it had ended before."""
        batch = self._under_way.pop(batch_id, None)
        if batch is None:
            return None
        metrics.BATCHES_IN_FLIGHT.set(len(self._under_way))
        for queue in batch.members:
            queue.batch_id = None
            if queue.waiting:
                self._ready.append(queue)
        return batch

    def expire(self, now: float) -> list[relay.Command]:
        """Give up, and return, what was not answered or could not even be sent in time."""
        stale: list[relay.Command] = []
        for batch in list(self._under_way.values()):
            # Batches are numbered in the order in which they left.
            if now - batch.at < ANSWER_SECONDS:
                break
            stale += batch.commands
            self.end(batch.id)
        while self._ready and now - self._ready[0].waiting_since >= ANSWER_SECONDS:
            queue = self._ready.popleft()
            stale += queue.clear()
        return stale


def bytes_of(command: relay.Command) -> int:
    """At most how many bytes a command takes in a batch: ids and names in full, texts by their widest character."""
    size = COMMAND_BYTES
    for name in TEXTS:
        text = getattr(command, name, None)
        if text:
            size += len(text) if text.isascii() else BYTES_PER_CHARACTER * len(text)
    return size
