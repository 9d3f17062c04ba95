"""Which commands go into one batch: rules without I/O.

A connection has at most one batch under way. Its later commands wait, and then leave together, in order; many bytes of them in
several batches, one after the other.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.gateway import metrics
from services.gateway.session.command_queue import HOLD_BYTES, CommandQueue
from services.gateway.session.connection import Connection
from shared.protocol import limits, relay

MAX_WAITING: Final = limits.MAX_COMMANDS_PER_BATCH
"""Commands of one connection that may wait while its batch is under way."""
MAX_BYTES: Final = limits.MAX_BATCH_BYTES
"""Limit for the waiting commands of one connection, and for a batch."""
SHARE_BYTES: Final = 64 * 1024
"""The most bytes of one connection in a batch, and of all large shares in it, unless one command is larger.

Who writes thirty messages of 24 KB at once, by one connection or ten, has them stored by ten cycles or more, between which those
of others have their turn.
"""
LARGE_SHARE_BYTES: Final = 16 * 1024
"""With more bytes of texts, a connection's share of a batch is large."""
COMMAND_BYTES: Final = 512
"""The most bytes of a command without its texts: its ids, seq, time, emoji, and a tempId of 64 characters."""
LARGE_BYTES: Final = 4 * 1024
"""Beyond this, a command is large. Who sends large ones faster than they leave isn't refused, but read more slowly."""
TEXTS: Final = ("content", "media", "metadata", "target")
"""Fields of commands whose texts may be longer than `COMMAND_BYTES` allows for."""
BYTES_PER_CHARACTER: Final = 4
"""The most that UTF-8 needs."""
ANSWER_SECONDS: Final = 10.0
"""A command without an answer after this time is given up: its outcome is unknown."""


@dataclass(slots=True)
class Batch:
    """Commands that left together, and the connections' queues that they came from.

    `at`: monotonic seconds. `changes`: it goes to the changes queue.
    """

    id: int
    members: list[CommandQueue]
    commands: list[relay.Command]
    at: float
    changes: bool = False


class Batches:
    """The commands of all connections that wait, or are under way in a batch."""

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
        """Queue `command` for the connection's next batch. False when too many wait already."""
        queue = connection.commands
        if queue is None:
            queue = connection.commands = CommandQueue()
        size = bytes_of(command)
        if len(queue.waiting) >= MAX_WAITING or queue.waiting_bytes + size > MAX_BYTES:
            return False
        queue.waiting.append(command)
        queue.changes = queue.changes or relay.needs_changes_queue(command)
        queue.waiting_bytes += size
        if size > LARGE_BYTES and queue.waiting_bytes > HOLD_BYTES and connection.reading:
            queue.hold(connection.reading)
        if len(queue.waiting) == 1:
            queue.waiting_since = now
            if queue.batch_id is None:
                self._ready.append(queue)
        return True

    def take(self, now: float) -> Batch | None:
        """Form the next batch from connections that use the same AMQP queue, oldest first. None when nothing waits."""
        members: list[CommandQueue] = []
        commands: list[relay.Command] = []
        ready, batch_id, room = self._ready, self._last_id + 1, _Room()
        others: list[CommandQueue] = []
        changes = bool(ready) and ready[0].changes
        while ready and len(commands) + len(ready[0].waiting) <= limits.MAX_COMMANDS_PER_BATCH > len(others):
            queue = ready.popleft()
            count, share = len(queue.waiting), queue.waiting_bytes
            if share > SHARE_BYTES:
                count, share = _share(queue)
            if queue.changes is changes and room.take(share, share - count * COMMAND_BYTES):
                commands += queue.move_to(batch_id, count, share, now)
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
        """Complete batches that messaging has finished. Unknown ones were given up before."""
        for batch_id in batch_ids:
            batch = self.end(batch_id)
            if batch is not None:
                for queue in batch.members:
                    metrics.ACK_LATENCY.observe(now - queue.batched_since)

    def end(self, batch_id: int) -> Batch | None:
        """End a batch, so that its connections' next commands may go. None when it had ended before."""
        batch = self._under_way.pop(batch_id, None)
        if batch is None:
            return None
        metrics.BATCHES_IN_FLIGHT.set(len(self._under_way))
        for queue in batch.members:
            queue.batch_id = None
            if queue.waiting:
                self._ready.append(queue)
        return batch

    def left_before(self, at: float) -> list[int]:
        """Return which batches left before `at` and are still under way."""
        return [batch.id for batch in self._under_way.values() if batch.at < at]

    def expire(self, now: float) -> list[relay.Command]:
        """Give up, and return, commands that were not answered or not even sent in time."""
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


class _Room:
    """The bytes that a batch has room for."""

    __slots__ = ("_large", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._large = 0

    def take(self, share: int, texts: int) -> bool:
        """Take room for one connection's share, bytes; `texts` of it are texts. False when there isn't enough."""
        large = self._large + share if texts > LARGE_SHARE_BYTES else 0
        if self._size + share > MAX_BYTES or (self._large and large > SHARE_BYTES):
            return False
        self._size += share
        self._large = large or self._large
        return True


def _share(queue: CommandQueue) -> tuple[int, int]:
    """Return how many of a connection's commands its next batch takes, and their bytes. It is one at least."""
    count = size = 0
    for command in queue.waiting:
        more = bytes_of(command)
        if count and size + more > SHARE_BYTES:
            break
        count, size = count + 1, size + more
    return count, size


def bytes_of(command: relay.Command) -> int:
    """Return an upper bound of a command's bytes in a batch: `BYTES_PER_CHARACTER` for each character of its texts."""
    if type(command) is relay.SendMessage and command.media is None and command.metadata is None:
        # Most commands: a text and nothing else.
        return COMMAND_BYTES + _most_bytes(command.content or "")
    texts = (getattr(command, name, None) for name in TEXTS)
    return COMMAND_BYTES + sum(_most_bytes(text) for text in texts if text)


def _most_bytes(text: str) -> int:
    return len(text) if text.isascii() else BYTES_PER_CHARACTER * len(text)
