"""Provides gateways with the script to carry out typing signals themselves, while that is possible."""

import asyncio
from typing import Final

import structlog

from services.messaging.typing_indicators.indicators import REMEMBERED_MS, SHORTEST_MS, event_text
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partitions, RedisError, Script
from shared.retry import TRANSIENT_ERRORS

log = structlog.get_logger(__name__)

PROVIDE_SECONDS: Final = 10.0
KEPT_SECONDS: Final = 30
"""When no replica has renewed the entry for this long, gateways send all signals to the queue again."""

_DIRECT: Final = Script("services.messaging.typing_indicators", "indicator", "direct")
_SETTINGS: Final = msgpack_encoder.encode(
    (
        event_text("%s", "%s", active=True),
        event_text("%s", "%s", active=False),
        REMEMBERED_MS,
        SHORTEST_MS,
        limits.TYPING_SECONDS * 1000,
        relay.ENDS_NOTHING,
    )
)


class DirectScript:
    """Keeps the script loaded, and stores in Redis how to call it. Only one partition has all keys in reach of one script
    (docs/decisions/0046-gateways-run-a-script-of-messaging.md).
    """

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def run(self) -> None:
        """Provide the script, and renew it. Never returns."""
        while True:
            try:
                if len(self._partitions) == 1:
                    await self.provide()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                log.info("direct_script.not_renewed", error=repr(error))
            await asyncio.sleep(PROVIDE_SECONDS)

    async def provide(self) -> None:
        """Load the script by running it without signals, and store its entry. Raises RedisError."""
        partition = self._partitions.at(0)
        await _DIRECT(partition, _SETTINGS, msgpack_encoder.encode(relay.SignalBatch([])))
        entry = relay.DirectTyping(_DIRECT.sha_on(partition), _SETTINGS)
        await partition.client.set(partition.key(keys.DIRECT_TYPING), msgpack_encoder.encode(entry), ex=KEPT_SECONDS)
