"""Checks that lease renewals arrive. While they don't, no lease may end, because everybody would go offline."""

import asyncio
import time
from typing import Final

import structlog

from services.presence.rules import Timing
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import PRESENCE_RENEWALS
from shared.rabbitmq import PUBLISH_ERRORS, Publisher

log = structlog.get_logger(__name__)

PROBES: Final = 4
"""Probes within the time after which renewals count as missing. It is more than one, because replicas share the probes."""


class RenewalFeed:
    """Publishes empty renewals beside those of the gateways, and checks that renewals arrive.

    An open connection to the broker doesn't prove that: during a memory or disk alarm it stays open, but nobody can publish.
    """

    def __init__(self, publisher: Publisher, name: str, timing: Timing) -> None:
        self._publisher = publisher
        self._name = name
        self._missing_seconds = timing.renewals_missing_ms / 1000
        self._heard_at: float | None = None

    @property
    def works(self) -> bool:
        """True while renewals arrive at this replica."""
        return self._heard_at is not None and time.monotonic() - self._heard_at < self._missing_seconds

    def heard(self) -> None:
        """Note that a renewal has arrived, from a gateway or a replica."""
        self._heard_at = time.monotonic()

    async def run(self) -> None:
        """Publish probes. Never returns."""
        while True:
            probe = relay.LeaseRenewal(self._name, time.time_ns() // 1_000_000, [])
            try:
                await self._publisher.publish(PRESENCE_RENEWALS, msgpack_encoder.encode(probe), persistent=False)
            except PUBLISH_ERRORS as error:
                log.info("renewals.not_probed", error=repr(error))
            await asyncio.sleep(self._missing_seconds / PROBES)
