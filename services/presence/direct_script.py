"""Provides gateways with the script to carry out commands themselves, while that is possible."""

import asyncio
from typing import Final

import structlog

from services.presence.announcer import TEMPLATES
from services.presence.friend_cache import FriendCache
from services.presence.leases import Clock, Leases
from services.presence.routes import RECEIVERS_PER_CALL
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partitions, RedisError, Script
from shared.retry import TRANSIENT_ERRORS

log = structlog.get_logger(__name__)

PROVIDE_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 30
"""When no replica has renewed the entry for this long, gateways send everything to the queue again."""

_DIRECT: Final = Script("services.presence", "state", "friend_lists", "lease_rules", "events", "direct")


class DirectScript:
    """Keeps the script loaded, and stores in Redis how to call it.

    That is possible when Redis has one partition, so that one script reaches all keys, and when no webhook asks for presence
    events, which a script can't send (docs/decisions/0042-gateways-run-a-script-of-presence.md).
    """

    def __init__(
        self, partitions: Partitions, leases: Leases, friends: FriendCache, clock: Clock, *, tells_webhooks: bool
    ) -> None:
        self._partitions = partitions
        self._clock = clock
        self._provides = len(partitions) == 1 and not tells_webhooks
        self._settings = msgpack_encoder.encode(
            (TEMPLATES, leases.durations, limits.STATUS_BULK_CHUNK, RECEIVERS_PER_CALL, friends.cache_seconds)
        )
        self._most_friends = min(friends.most_friends, limits.STATUS_BULK_CHUNK)

    async def run(self) -> None:
        """Provide the script and renew it, or withdraw one that a replica with other settings provided. Never returns."""
        while True:
            try:
                await self.renew()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                log.info("direct_script.not_renewed", error=repr(error))
            await asyncio.sleep(PROVIDE_SECONDS)

    async def renew(self) -> None:
        """Provide or withdraw it once. Raises RedisError."""
        await (self.provide() if self._provides else self.withdraw())

    async def withdraw(self) -> None:
        """Withdraw the script: from now on it does nothing, even where a gateway still calls it. Raises RedisError."""
        partition = self._partitions.at(0)
        await partition.client.delete(partition.key(keys.DIRECT_PRESENCE))

    async def provide(self) -> None:
        """Load the script by running it without commands, and store its entry. Raises RedisError."""
        partition = self._partitions.at(0)
        await _DIRECT(partition, self._settings, self._clock(), msgpack_encoder.encode(relay.PresenceBatch([])))
        entry = relay.DirectPresence(_DIRECT.sha_on(partition), self._settings, self._most_friends)
        await partition.client.set(partition.key(keys.DIRECT_PRESENCE), msgpack_encoder.encode(entry), ex=KEPT_SECONDS)
