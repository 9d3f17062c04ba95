"""Provides a script of one service in Redis, so that other services can run it themselves instead of sending commands."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from shared.protocol.codec import msgpack_encoder
from shared.protocol.relay.base import Relayed
from shared.redis.connection import Argument
from shared.redis.errors import REDIS_ERRORS
from shared.redis.partitions import Partitions
from shared.redis.scripts import Script

log = structlog.get_logger(__name__)

PROVIDE_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 30
"""When no replica has renewed the entry for this long, gateways send everything to the queue again."""


class ScriptProvider:
    """Keeps a script loaded, and stores under `key` how to call it, while one script reaches all keys: with one partition.

    `no_work` returns the arguments of a run that changes nothing, which loads the script. `entry` makes the entry of the
    script's SHA-1. Unless `enabled`, the entry is withdrawn.
    """

    def __init__(
        self,
        partitions: Partitions,
        script: Script,
        key: str,
        no_work: Callable[[], tuple[Argument, ...]],
        entry: Callable[[str], Relayed],
        *,
        enabled: bool = True,
    ) -> None:
        self._partitions = partitions
        self._script = script
        self._key = key
        self._no_work = no_work
        self._entry = entry
        self._provides = enabled and len(partitions) == 1

    async def run(self) -> None:
        """Provide the script and renew it, or withdraw one that a replica with other settings provided. Never returns."""
        while True:
            try:
                await self.renew()
            except REDIS_ERRORS as error:
                log.info("script.not_provided", key=self._key, error=repr(error))
            await asyncio.sleep(PROVIDE_SECONDS)

    async def renew(self) -> None:
        """Provide or withdraw it once. Raises RedisError."""
        await (self.provide() if self._provides else self.withdraw())

    async def provide(self) -> None:
        """Load the script by running it without work, and store its entry. Raises RedisError."""
        partition = self._partitions.at(0)
        await self._script(partition, *self._no_work())
        entry = self._entry(self._script.sha_on(partition))
        await partition.client.set(partition.key(self._key), msgpack_encoder.encode(entry), ex=KEPT_SECONDS)

    async def withdraw(self) -> None:
        """Delete the entry. The script of presence looks for it, so it does nothing from now on. Raises RedisError."""
        partition = self._partitions.at(0)
        await partition.client.delete(partition.key(self._key))
