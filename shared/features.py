"""Which features a deployment serves now: each replica announces its features, and gateways offer those that all replicas serve.

So during an upgrade, or while a service is missing, no client sees a feature that only some replicas can serve.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from shared.protocol.features import FEATURES, SERVERS
from shared.redis import Partitions, RedisError, Script, is_transient
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

PERIOD_SECONDS: Final = 5.0
COUNTS_SECONDS: Final = 20.0
"""How long an announcement counts. A gateway that has just started assumes for this time that all services are there."""

_SERVED: Final = Script("shared.redis", "served")


async def announce_forever(partitions: Partitions, service: str, instance: str, features: Collection[str]) -> None:
    """Announce the features of this replica at regular intervals. Never returns."""
    while True:
        await _try(partitions, service, f"{instance} {','.join(sorted(features))}")
        await next_tick(PERIOD_SECONDS)


class OfferedFeatures:
    """The features that a gateway offers. While Redis is away, it keeps the last ones."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._began = time.monotonic()
        self.names: list[str] = list(FEATURES)

    async def run(self) -> None:
        """Read the announcements at regular intervals. Never returns."""
        while True:
            await self.refresh()
            await next_tick(PERIOD_SECONDS)

    async def refresh(self) -> None:
        """Read the announcements once."""
        served: dict[str, list[set[str]]] = {}
        for service in sorted({each for servers in SERVERS.values() for each in servers}):
            said = await _try(self._partitions, service, "")
            if said is None:
                return
            served[service] = [set(text.decode().partition(" ")[2].split(",")) for text in said]
        self.names = offered(served, believing=time.monotonic() - self._began < COUNTS_SECONDS)


def offered(served: Mapping[str, Sequence[set[str]]], *, believing: bool) -> list[str]:
    """Return the features that all replicas of their services serve.

    `believing`: assume that a service without announcements is there.
    """
    return [name for name in FEATURES if all(_serve(served[service], name, believing) for service in SERVERS[name])]


def _serve(replicas: Sequence[set[str]], name: str, believing: bool) -> bool:
    return all(name in features for features in replicas) and (believing or bool(replicas))


async def _try(partitions: Partitions, service: str, said: str) -> list[bytes] | None:
    """Return the announcements of all replicas, or None when Redis is away."""
    try:
        found: list[bytes] = await _SERVED(partitions.of(service), service, round(COUNTS_SECONDS * 1000), said)
    except Exception as error:
        if not (is_transient(error) or isinstance(error, RedisError)):
            raise
        log.warning("features.not_read", service=service, error=repr(error))
        return None
    return found
