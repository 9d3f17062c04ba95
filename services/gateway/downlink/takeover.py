"""Takeover of gateways that were killed: another gateway reports the messages that their clients may not have got.

A gateway remembers in memory which messages its clients have not confirmed yet (`undelivered`). When it is killed, another
gateway takes over its connections, and treats the messages of its last seconds as unseen. The notifier drops those whose
receivers have reconnected or confirmed them meanwhile. Presence is told that the connections are lost. Without that, a user who
reconnected and then closed would stay online too long.
"""

from typing import Final

import structlog

from services.gateway.downlink.undelivered import UndeliveredTracker
from services.gateway.uplink.presence import PresencePublisher
from shared.protocol import keys
from shared.redis import REDIS_ERRORS, Partitions, Script
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
PAGE: Final = 100
"""Connections taken over at once."""
EVENTS: Final = 16
"""Events read for each connection: a device shows the newest messages of a few conversations, not all."""
CLOCK_SECONDS: Final = 1.0
"""Tolerance between two clocks: messages have PostgreSQL's time, signs of life have Redis' time."""

_take_over = Script("services.gateway.downlink", "take_over")


class Takeover:
    """Looks for dead gateways. Every live gateway does; each connection is taken over by exactly one."""

    def __init__(
        self,
        partitions: Partitions,
        gateway_id: str,
        undelivered: UndeliveredTracker,
        presence: PresencePublisher,
        push_delay_seconds: float,
    ) -> None:
        self._partitions = partitions
        self._gateway_id = gateway_id
        self._undelivered = undelivered
        self._presence = presence
        self._before_seconds = push_delay_seconds + CLOCK_SECONDS

    async def run(self) -> None:
        """Look at regular intervals. Never returns."""
        while True:
            await next_tick(LOOK_SECONDS)
            for partition in range(len(self._partitions)):
                try:
                    while await self._take_page(partition):
                        await self._undelivered.sent()
                except REDIS_ERRORS as error:
                    log.warning("takeover.not_done", partition=partition, error=repr(error))

    async def _take_page(self, partition: int) -> bool:
        """Take some connections over. False when no gateway is dead."""
        found = await _take_over(self._partitions.at(partition), self._gateway_id, keys.GATEWAY_DEAD_MS, PAGE, EVENTS)
        if not found:
            return False
        gateway, heard_at_ms, held = found
        if held:
            log.warning("gateway.died", gateway_id=gateway.decode(), connections=len(held))
        since = float(heard_at_ms) / 1000 - self._before_seconds
        for user_id, connection_id, texts in held:
            self._presence.doubted(user_id.decode(), connection_id.decode())
            for text in texts:
                self._undelivered.inherited(user_id.decode(), connection_id.decode(), text, since)
        return True
