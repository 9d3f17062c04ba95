"""Which commands go together: the rules of batches, without I/O.

A connection has at most one batch under way; what it says meanwhile waits with it and leaves together, in order.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.gateway import metrics
from shared.protocol import limits, relay

if TYPE_CHECKING:
    from services.gateway.session.connection import Connection

MAX_WAITING: Final = limits.MAX_COMMANDS_PER_BATCH
"""Commands of one connection that may wait for its batch under way."""
ANSWER_SECONDS: Final = 10.0
"""A command without answer for so long is given up: its outcome is unknown."""


@dataclass(slots=True)
class Batch:
    """Commands that left together, and whose they are. `at`: monotonic seconds."""

    id: int
    members: "list[Connection]"
    commands: list[relay.Command]
    at: float


class Batches:
    """The commands of all connections: waiting, or under way in a batch."""

    def __init__(self) -> None:
        self._ready: deque[Connection] = deque()
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

    def add(self, connection: "Connection", command: relay.Command, now: float) -> bool:
        """Let `command` wait for the connection's next batch. False when too many wait already."""
        commands = connection.commands
        if len(commands) >= MAX_WAITING:
            return False
        commands.append(command)
        if len(commands) == 1:
            connection.commands_since = now
            if connection.flight is None:
                self._ready.append(connection)
        return True

    def take(self, now: float) -> Batch | None:
        """Form the next batch, of whole connections, oldest first; None when nothing waits."""
        members: list[Connection] = []
        commands: list[relay.Command] = []
        ready, batch_id = self._ready, self._last_id + 1
        while ready and len(commands) + len(ready[0].commands) <= limits.MAX_COMMANDS_PER_BATCH:
            connection = ready.popleft()
            commands += connection.commands
            connection.commands.clear()
            connection.flight = batch_id
            connection.flight_since = connection.commands_since
            members.append(connection)
        if not members:
            return None
        self._last_id = batch_id
        batch = self._under_way[batch_id] = Batch(batch_id, members, commands, now)
        metrics.BATCHES_IN_FLIGHT.set(len(self._under_way))
        return batch

    def complete(self, batch_ids: Iterable[int], now: float) -> None:
        """Messaging is done with these batches; unknown ones were given up."""
        for batch_id in batch_ids:
            batch = self.end(batch_id)
            if batch is not None:
                for connection in batch.members:
                    metrics.ACK_LATENCY.observe(now - connection.flight_since)

    def end(self, batch_id: int) -> Batch | None:
        """A batch is no longer under way: its connections' next commands may go. None when it had ended before."""
        batch = self._under_way.pop(batch_id, None)
        if batch is None:
            return None
        metrics.BATCHES_IN_FLIGHT.set(len(self._under_way))
        for connection in batch.members:
            connection.flight = None
            if connection.commands:
                self._ready.append(connection)
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
        while self._ready and now - self._ready[0].commands_since >= ANSWER_SECONDS:
            connection = self._ready.popleft()
            stale += connection.commands
            connection.commands.clear()
        return stale
