"""Recovery: reads from the users' inboxes what open connections may have missed. Clients needn't reconnect for it."""

import asyncio
import time
from typing import Final

import structlog

from services.gateway.downlink.replay_pace import ReplayPace
from services.gateway.registry.connections import ROUTE_SECONDS, ConnectionRegistry, RecoveryResult
from services.gateway.session.connection import Connection
from services.gateway.session.hub import Hub
from services.gateway.uplink.lease_renewals import LeaseRenewals
from services.gateway.uplink.presence import PresencePublisher
from shared.protocol.closing import CloseCode
from shared.redis import REDIS_ERRORS, Partitions

log = structlog.get_logger(__name__)

BATCH: Final = 100
RETRY_SECONDS: Final = 0.5
RENEWAL_SECONDS: Final = ROUTE_SECONDS / 4
"""How often the TTL of live connections' routes and inboxes is extended."""


class Recovery:
    """Reads what is missing, in batches. Also registers routes again, because a restarted Redis may have lost them.

    Inboxes don't hold presence events: when some were missed, presence is asked for a new `status.bulk`.
    """

    def __init__(
        self,
        hub: Hub,
        registry: ConnectionRegistry,
        partitions: Partitions,
        presence: PresencePublisher,
        leases: LeaseRenewals,
    ) -> None:
        self._hub = hub
        self._presence = presence
        self._leases = leases
        self._registry = registry
        self._partitions = partitions
        self._waiting: dict[Connection, None] = {}
        self.pace = ReplayPace()
        self.paced: dict[Connection, asyncio.TimerHandle] = {}
        self._opening: set[str] = set()
        self._any_waiting = asyncio.Event()

    def ask(self, connection: Connection) -> None:
        """Recover one connection, which holds its deliveries meanwhile. It waits first when its user has just read a lot."""
        connection.inbox.hold()
        wait = self.pace.wait(connection.user_id, time.monotonic())
        if not wait:
            self._ask_now(connection)
        elif connection not in self.paced:
            self.paced[connection] = asyncio.get_running_loop().call_later(wait, self._on_paced, connection)

    def pause_all(self, partition: int) -> None:
        """The link to one server was cut: its users' connections get no events from here until `ask_all`."""
        for connection in self._hub:
            if connection.is_open and self._partitions.index_of(connection.user_id) == partition:
                connection.inbox.hold()
                connection.message_bucket = None

    def ask_all(self, partition: int, *, lost_data: bool = False) -> bool:
        """Recover all connections of users whose inboxes lie on one server: its link was cut, or (`lost_data`) it lost its data.

        Returns False when there are none. Every connection here gets a new `status.bulk`, because its friends may lie on that
        server. Connections that are still opening may have read their inboxes too early: they are recovered as soon as they are
        open.
        """
        if lost_data:
            for connection in self._hub:
                self._leases.renew(connection)
            self._presence.repeat_when_restored(self._hub)
        else:
            self._presence.repeat(self._hub)
        affected = [
            connection for connection in self._hub if self._partitions.index_of(connection.user_id) == partition
        ]
        self._opening &= self._hub.by_id.keys()
        self._opening |= {connection.id for connection in affected if not connection.is_open}
        for connection in affected:
            if connection.is_open:
                self.ask(connection)
        return bool(affected)

    def on_opened(self, connection: Connection) -> None:
        """Recover a connection that was still opening when `ask_all` was called."""
        if connection.id in self._opening:
            self._opening.remove(connection.id)
            self.ask(connection)

    async def run(self) -> None:
        """Recover the connections that were asked for. Never returns."""
        while True:
            await self._any_waiting.wait()
            self._any_waiting.clear()
            while self._waiting:
                # One of each user: a script reads no inbox twice.
                users: dict[str, Connection] = {}
                for connection in self._waiting:
                    users.setdefault(connection.user_id, connection)
                    if len(users) == BATCH:
                        break
                by_partition: dict[int, list[Connection]] = {}
                for connection in users.values():
                    by_partition.setdefault(self._partitions.index_of(connection.user_id), []).append(connection)
                for connections in by_partition.values():
                    await self._recover(connections)

    async def renew_forever(self) -> None:
        """Extend the TTL of live connections' routes and inboxes. Never returns."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            by_partition: dict[int, list[Connection]] = {}
            for connection in self._hub:
                by_partition.setdefault(self._partitions.index_of(connection.user_id), []).append(connection)
            for connections in by_partition.values():
                for start in range(0, len(connections), BATCH):
                    await self._renew(connections[start : start + BATCH])

    def _ask_now(self, connection: Connection) -> None:
        self._waiting[connection] = None
        self._any_waiting.set()

    def _on_paced(self, connection: Connection) -> None:
        """Continue after a wait, unless the user's other connections have used up the budget again."""
        del self.paced[connection]
        if connection.is_open:
            self.ask(connection)

    async def _renew(self, connections: "list[Connection]") -> None:
        try:
            gone = await self._registry.renew([(connection.user_id, connection.id) for connection in connections])
        except REDIS_ERRORS as error:
            # Routes survive several missed renewals. When the server is back, its link recovers all connections.
            log.warning("routes.not_renewed", connections=len(connections), error=repr(error))
            return
        for place in gone:
            if connections[place].is_open:
                self.ask(connections[place])

    async def _recover(self, connections: "list[Connection]") -> None:
        items = [(connection.user_id, connection.id, connection.inbox.cursor) for connection in connections]
        for connection in connections:
            self._waiting.pop(connection, None)
            # An earlier recovery may have released events after this one was asked for.
            connection.inbox.begin_reading()
        try:
            found = await self._registry.resume(items)
        except REDIS_ERRORS as error:
            log.warning("recovery.not_done", connections=len(connections), error=repr(error))
            self._waiting.update(dict.fromkeys(connection for connection in connections if connection.is_open))
            await asyncio.sleep(RETRY_SECONDS)
            return
        for connection, recovery_result in zip(connections, found, strict=True):
            self.pace.count(connection.user_id, sum(map(len, recovery_result.events)), time.monotonic())
            self._resume(connection, recovery_result)

    def _resume(self, connection: Connection, recovery_result: RecoveryResult) -> None:
        if not connection.is_open:
            # The connection ended while it was registered again.
            self._registry.detach(connection.user_id, connection.id)
        elif recovery_result.recovered:
            connection.resume(recovery_result)
        else:
            # The missing events are lost: the client connects again and is told `recovered: false`.
            log.info("recovery.lost", connection_id=connection.id, user_id=connection.user_id)
            connection.close(CloseCode.EVENTS_LOST)
