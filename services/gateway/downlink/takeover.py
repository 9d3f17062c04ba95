"""Gateways that died without a word: another one reports what their connections may not have got.

A gateway keeps in its memory which messages wait for a sign of life (`undelivered`). When it is killed, another one takes over
the connections that it held: the messages of its last seconds count as unseen. The notifier drops those whose receivers have
come back meanwhile, or said that they have them. Presence hears that the connections are lost, so that users who came back and
closed since are offline soon.
"""

from typing import Final

import structlog

from services.gateway.downlink.undelivered import UndeliveredTracker
from services.gateway.uplink.presence import PresencePublisher
from shared.protocol import keys
from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError, Script
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 5.0
PAGE: Final = 100
"""Connections taken over at once."""
EVENTS: Final = 16
"""Events looked at for each: a device shows the newest messages of a few conversations, not all."""
CLOCK_SECONDS: Final = 1.0
"""Messages have PostgreSQL's time, signs of life have Redis'."""

_take_over = Script("services.gateway.downlink", "take_over")


class Takeover:
    """Looks for dead gateways. Every living one does; each connection is taken over by one of them."""

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
        """Look again and again. Never returns."""
        while True:
            await next_tick(LOOK_SECONDS)
            for partition in range(len(self._partitions)):
                try:
                    while await self._take_page(partition):
                        await self._undelivered.sent()
                except (*TRANSIENT_ERRORS, RedisError) as error:
                    log.warning("takeover.unavailable", partition=partition, error=repr(error))

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
