"""Reports to presence which connections began, ended and changed status."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

import structlog

from services.gateway import metrics
from services.gateway.session.connection import Connection
from services.gateway.session.hub import Hub
from services.gateway.uplink.command_rate_limit import CommandRateLimit
from services.gateway.uplink.direct_presence import DirectPresence, Report
from services.gateway.uplink.first_connections import FirstConnections
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import PRESENCE_COMMANDS
from shared.rabbitmq import PUBLISH_ERRORS, Publisher
from shared.store_clock import StoreClock

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 100_000
"""Commands kept while the broker is away. Beyond that the oldest are dropped, and leases expire by themselves."""
MAX_STATUSES: Final = 10_000
"""Changes of availability that wait to be counted. Beyond that the oldest are dropped."""
BATCH: Final = 300
"""Commands in one AMQP message: `PRESENCE_COMMANDS.body_bytes` bounds them."""
RETRY_SECONDS: Final = 0.5
"""Pause between two attempts while the broker is away."""
REPEATS: Final = 250
"""Most connections that are announced again within `REPEAT_SECONDS`: each costs presence as much as a new one."""
REPEAT_SECONDS: Final = 0.5
RESTORE_SECONDS: Final = 7.0
"""Each gateway notices within 5 s that Redis has forgotten it (`downlink.link`), and renews its leases within one more."""


class PresencePublisher:
    """Carries presence commands out or publishes them, in order and with confirms."""

    def __init__(
        self,
        hub: Hub,
        publisher: Publisher,
        rate_limit: CommandRateLimit,
        *,
        direct: DirectPresence,
        gateway_id: str,
        clock: StoreClock,
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._direct = direct
        self.first_connections = FirstConnections(direct, self._leave)
        self._rate_limit = rate_limit
        self._statuses: deque[relay.SetStatus] = deque(maxlen=MAX_STATUSES)
        self._any_status = asyncio.Event()
        self._publisher = publisher
        self._gateway_id = gateway_id
        self._waiting: deque[Report] = deque()
        self._any_waiting = asyncio.Event()
        self._for_presence: set[str] = set()
        """Connections whose waiting `Connected` presence itself must carry out."""
        self._sending = False
        self._again: dict[Connection, None] = {}
        self._any_again = asyncio.Event()
        self._again_at = 0.0

    @property
    def idle(self) -> bool:
        """True when presence has been told everything."""
        return not self._waiting and not self._sending and self.first_connections.idle

    def connected(
        self,
        user_id: str,
        connection_id: str,
        status: str = "",
        *,
        missing_friends: str | None = None,
        friends: relay.FriendList | None = None,
    ) -> None:
        """Report a connection; presence answers it with `status.bulk`. `status`: the availability that the client stated, or ''.

        `missing_friends`: the version of the user's friends when Redis doesn't have them. `friends`: these, if they were read.
        """
        connected = relay.Connected(user_id, connection_id, self._gateway_id, self._clock.now_ms(), status)
        if missing_friends is None:
            self._enqueue(connected)
        elif self._direct.takes_friends and len(self.first_connections) < MAX_WAITING:
            self.first_connections.add(connected, missing_friends, friends)
        else:
            self._leave(connected)

    def disconnected(self, user_id: str, connection_id: str, *, clean: bool, reconnect_seconds: float = 0) -> None:
        """Report that a connection ended. `reconnect_seconds`: how long the client was told that it may take to return."""
        now, reconnect_ms = self._clock.now_ms(), int(reconnect_seconds * 1000)
        self._enqueue(relay.Disconnected(user_id, connection_id, clean, now, reconnect_ms=reconnect_ms))

    def doubted(self, user_id: str, connection_id: str) -> None:
        """Report a connection of a dead gateway as lost, unless that gateway is alive and renews it."""
        self._enqueue(
            relay.Disconnected(user_id, connection_id, clean=False, at_ms=self._clock.now_ms(), certain=False)
        )

    def status_set(self, command: relay.SetStatus) -> None:
        """Report a device's new availability soon, within the user's budget."""
        self._statuses.append(command)
        self._any_status.set()

    def repeat(self, connections: "Iterable[Connection]") -> None:
        """Report these connections again, soon: they may have missed presence events, and get a new `status.bulk`."""
        self._again.update(dict.fromkeys(connections))
        if self._again:
            self._any_again.set()

    def repeat_when_restored(self, connections: "Iterable[Connection]") -> None:
        """`repeat`, once all gateways have had time to renew leases that Redis may have lost.

        Without that wait, `status.bulk` would show friends offline whose gateways renew a little later.
        """
        self._again_at = time.monotonic() + RESTORE_SECONDS
        self.repeat(connections)

    async def repeat_forever(self) -> None:
        """Report connections again as `repeat` asked, a few at a time, while the broker takes everything else. Never returns."""
        while True:
            await self._any_again.wait()
            if self.idle and time.monotonic() >= self._again_at:
                for connection in list(islice(self._again, REPEATS)):
                    del self._again[connection]
                    if connection.is_open:
                        self.connected(connection.user_id, connection.id)
            if not self._again:
                self._any_again.clear()
            await asyncio.sleep(REPEAT_SECONDS)

    async def admit_statuses_forever(self) -> None:
        """Count changes of availability against their users' budgets, many at once. Never returns."""
        while True:
            await self._any_status.wait()
            self._any_status.clear()
            while self._statuses:
                batch = [self._statuses.popleft() for _ in range(min(BATCH, len(self._statuses)))]
                for command in await self._rate_limit.admit(batch):
                    self._enqueue(command)

    async def run(self) -> None:
        """Carry out or publish waiting commands, and retry until that succeeds. Never returns."""
        while True:
            await self._any_waiting.wait()
            self._any_waiting.clear()
            while self._waiting:
                await self._send()

    async def _send(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        self._sending = True
        try:
            batch = await self._carry_out(batch)
            if batch:
                await self._publisher.publish(PRESENCE_COMMANDS, msgpack_encoder.encode(relay.PresenceBatch([*batch])))
        except PUBLISH_ERRORS as error:
            log.warning("presence.not_published", commands=len(self._waiting) + len(batch), error=repr(error))
            self._waiting.extendleft(reversed(batch))
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._sending = False

    async def _carry_out(self, batch: list[Report]) -> list[Report]:
        """Carry out what is possible here. Returns what presence must do."""
        queued: list[Report] = []
        tried: list[Report] = []
        for each in batch:
            is_cold = isinstance(each, relay.Connected) and each.connection_id in self._for_presence
            (queued if is_cold else tried).append(each)
        self._for_presence.difference_update(each.connection_id for each in queued)
        metrics.PRESENCE_COMMANDS.labels("queue").inc(len(queued))
        if queued:
            # The next first connections may need no queue.
            await self._direct.look()
        return [*queued, *(await self._direct.carry_out(tried) if tried else ())]

    def _leave(self, report: Report) -> None:
        """Send a report to presence without an attempt to carry it out here."""
        self._for_presence.add(report.connection_id)
        self._enqueue(report)

    def _enqueue(self, command: Report) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._give_up(self._waiting.popleft())
        self._waiting.append(command)
        self._any_waiting.set()

    def _give_up(self, command: Report) -> None:
        metrics.PRESENCE_DROPPED.inc()
        self._for_presence.discard(command.connection_id)
        connection = self._hub.by_id.get(command.connection_id) if isinstance(command, relay.Connected) else None
        if connection is not None:
            self.repeat([connection])
