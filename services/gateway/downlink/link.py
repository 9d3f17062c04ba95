"""The links that deliveries come by: a subscription on each partition of Redis, watched for silent death and lost data."""

import asyncio
import time
import uuid
from typing import Final

import structlog

from services.gateway import metrics
from services.gateway.downlink.delivery import Deliverer
from services.gateway.downlink.recovery import Recovery
from services.gateway.registry.connections import ROUTE_SECONDS
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError, Script

log = structlog.get_logger(__name__)

NONCE_SECONDS: Final = 5.0
"""How often a link is tried with a message to ourselves."""
LINK_TIMEOUT_SECONDS: Final = 15.0
"""A link on which that message hasn't come back for so long is half-open: it is dropped."""
LIVENESS_SECONDS: Final = 60
RETRY_SECONDS: Final = 0.5

_alive = Script("services.gateway.downlink", "shared.redis:epoch", "alive")


class DownlinkSubscriber:
    """The link to one partition. Whenever it was cut, or Redis may have lost data, all connections are recovered."""

    def __init__(
        self, partitions: Partitions, partition: int, gateway_id: str, deliverer: Deliverer, recovery: Recovery
    ) -> None:
        self._partition = partitions.at(partition)
        self._gateway_id = gateway_id
        self._topic = self._partition.key(keys.GATEWAY, gateway_id)
        self._deliverer = deliverer
        self._recovery = recovery
        self._nonce = uuid.uuid4().hex
        self._proof = msgpack_encoder.encode(relay.Downlink(nonce=self._nonce))
        self._epoch = b""
        self._heard_at = 0.0
        self.up = False
        """True while deliveries come through."""

    async def run(self) -> None:
        """Hold the link, and make it again when it breaks. Never returns."""
        while True:
            try:
                await self._hold()
            except (*TRANSIENT_ERRORS, RedisError) as error:
                log.warning("downlink.unavailable", partition=self._partition.index, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _hold(self) -> None:
        """One life of the link."""
        subscription = await self._partition.subscribe(
            self._on_message, self._topic, self._partition.key(keys.GATEWAYS)
        )
        try:
            again = bool(self._epoch)
            known = await self._say_alive()
            self._heard_at = time.monotonic()
            self.up = True
            log.info("downlink.connected", partition=self._partition.index)
            self._recover(lost_data=again and not known)
            while not subscription.ended.done():
                await asyncio.wait([subscription.ended], timeout=NONCE_SECONDS)
                await self._prove()
            log.warning("downlink.broken", partition=self._partition.index)
        finally:
            self.up = False
            subscription.abort()
            # What comes by the next link may not be what follows: it waits until the inboxes have been read.
            self._recovery.hold_all(self._partition.index)

    async def _prove(self) -> None:
        """See that earlier messages to ourselves came, that Redis still knows us, and that it has lost nothing."""
        if time.monotonic() - self._heard_at > LINK_TIMEOUT_SECONDS:
            raise TimeoutError("the link delivers nothing")
        if not await self._say_alive():
            log.warning("downlink.forgotten", partition=self._partition.index)
            self._recover(lost_data=True)

    async def _say_alive(self) -> bool:
        """Renew our entry, and send ourselves a message. False: Redis didn't have the entry, or may have lost others.

        Raises TimeoutError when nobody is subscribed: the master of now is another one than that of our subscription.
        """
        known, subscribers, epoch = await _alive(
            self._partition, self._gateway_id, LIVENESS_SECONDS, ROUTE_SECONDS, self._proof
        )
        if not subscribers:
            raise TimeoutError("the link leads to a server that is no longer the master")
        before, self._epoch = self._epoch, epoch
        return bool(known) and before in (b"", epoch)

    def _recover(self, *, lost_data: bool = False) -> None:
        if self._recovery.ask_all(self._partition.index, lost_data=lost_data):
            metrics.LINK_GAPS.inc()

    def _on_message(self, body: bytes) -> None:
        if self._deliverer.on_downlink(body) == self._nonce:
            self._heard_at = time.monotonic()
