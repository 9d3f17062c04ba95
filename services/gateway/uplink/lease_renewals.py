"""Renews the leases of this gateway's connections with presence."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Final

import structlog

from services.gateway.session.connection import Connection
from services.gateway.session.hub import Hub
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import PRESENCE_RENEWALS
from shared.rabbitmq import PUBLISH_ERRORS, Publisher
from shared.store_clock import StoreClock

log = structlog.get_logger(__name__)

RENEWALS: Final = 800
"""Connections in one renewal: `PRESENCE_RENEWALS.body_bytes` bounds them."""
ALIVE_SECONDS: Final = 1.0
"""Connections that gave a sign of life are collected for this time and renewed together. Presence waits for at most 8 s."""


class LeaseRenewals:
    """Renews the leases of all connections at regular intervals, and that of one soon after a sign of life."""

    def __init__(self, hub: Hub, publisher: Publisher, gateway_id: str, clock: StoreClock) -> None:
        self._hub = hub
        self._publisher = publisher
        self._gateway_id = gateway_id
        self._clock = clock
        self._alive: dict[Connection, None] = {}
        self._any_alive = asyncio.Event()

    def renew(self, connection: Connection) -> None:
        """Renew the connection's lease soon, after a sign of life."""
        self._alive[connection] = None
        self._any_alive.set()

    async def renew_all_forever(self, period_seconds: float) -> None:
        """Renew the leases of all connections, `RENEWALS` in a message. Never returns."""
        while True:
            await asyncio.sleep(period_seconds)
            await self._publish_all(iter(self._hub))

    async def renew_alive_forever(self) -> None:
        """Every `ALIVE_SECONDS`, renew the leases of connections that gave a sign of life, `RENEWALS` in a message.

        Never returns.
        """
        while True:
            await self._any_alive.wait()
            await asyncio.sleep(ALIVE_SECONDS)
            self._any_alive.clear()
            alive, self._alive = iter(self._alive), {}
            await self._publish_all(alive)

    async def _publish_all(self, connections: Iterator[Connection]) -> None:
        """Renew the leases of those that are open. One that is still opening has none, and may be refused."""
        while taken := list(islice(connections, RENEWALS)):
            batch = [connection for connection in taken if connection.is_open]
            if batch:
                await self._publish(batch)

    async def _publish(self, batch: list[Connection]) -> None:
        renewal = relay.LeaseRenewal(
            self._gateway_id, self._clock.now_ms(), [(held.user_id, held.id) for held in batch]
        )
        try:
            await self._publisher.publish(PRESENCE_RENEWALS, msgpack_encoder.encode(renewal), persistent=False)
        except PUBLISH_ERRORS as error:
            log.warning("leases.not_renewed", connections=len(batch), error=repr(error))
