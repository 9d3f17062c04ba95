"""The links that downlinks come through: one pub/sub subscription on each partition of Redis.

Each is watched: a half-open connection, a changed master and a Redis that lost its data are all noticed.
"""

import asyncio
import time
import uuid
from typing import Final

import structlog

from services.gateway import metrics
from services.gateway.downlink.delivery import Deliverer
from services.gateway.downlink.recovery import Recovery
from services.gateway.registry.connections import ROUTE_SECONDS
from services.gateway.uplink.lost_answers import LostAnswers
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import REDIS_ERRORS, Partitions, Script, Subscription

log = structlog.get_logger(__name__)

NONCE_SECONDS: Final = 5.0
"""How often the gateway probes a link by publishing a nonce to itself."""
LINK_TIMEOUT_SECONDS: Final = 15.0
"""When that nonce hasn't come back for this long, the link is half-open and is dropped."""
LIVENESS_SECONDS: Final = 60
"""How long this gateway counts as alive after each nonce."""
RETRY_SECONDS: Final = 0.5

_alive = Script("services.gateway.downlink", "shared.redis:epoch", "alive")


class DownlinkSubscriber:
    """The link to one partition. After it was cut, or when Redis may have lost data, all its connections are recovered."""

    def __init__(
        self,
        partitions: Partitions,
        partition: int,
        gateway_id: str,
        *,
        deliverer: Deliverer,
        lost_answers: LostAnswers,
        recovery: Recovery,
    ) -> None:
        self._partition = partitions.at(partition)
        self._gateway_id = gateway_id
        self._topic = self._partition.key(keys.GATEWAY, gateway_id)
        self._deliverer = deliverer
        self._lost_answers = lost_answers
        self._recovery = recovery
        self._nonce = uuid.uuid4().hex
        self._probe_message = msgpack_encoder.encode(relay.Downlink(nonce=self._nonce))
        self._epoch = b""
        self._heard_at = 0.0
        self.up = False
        """True while deliveries arrive."""

    async def run(self) -> None:
        """Subscribe, and again whenever the link breaks. Never returns."""
        while True:
            try:
                await self._run_subscription()
            except REDIS_ERRORS as error:
                log.warning("downlink.not_connected", partition=self._partition.index, error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _run_subscription(self) -> None:
        """Subscribe, and deliver until the link breaks."""
        subscription = await self._partition.subscribe(
            self._on_message, self._topic, self._partition.key(keys.GATEWAYS)
        )
        try:
            again = bool(self._epoch)
            known = await self._renew()
            self._heard_at = time.monotonic()
            self.up = True
            log.info("downlink.connected", partition=self._partition.index)
            if again:
                await self._lost_answers.on_link_back(self._partition.index)
            self._recover(lost_data=again and not known)
            await self._watch(subscription)
        finally:
            self.up = False
            subscription.abort()
            # Events were lost between this link and the next one: new events wait until the inboxes have been read.
            self._recovery.pause_all(self._partition.index)

    async def _watch(self, subscription: Subscription) -> None:
        """Return when the link has ended, or is given up because it no longer delivers this gateway's probes."""
        try:
            while not (await asyncio.wait([subscription.ended], timeout=NONCE_SECONDS))[0]:
                await self._probe()
        except REDIS_ERRORS as error:
            log.warning("downlink.dropped", partition=self._partition.index, error=repr(error))
        else:
            log.warning("downlink.disconnected", partition=self._partition.index)

    async def _probe(self) -> None:
        """Check that earlier messages to ourselves arrived, that Redis still knows this gateway, and that it has lost no data."""
        if time.monotonic() - self._heard_at > LINK_TIMEOUT_SECONDS:
            raise TimeoutError("the link delivers nothing")
        if not await self._renew():
            log.warning("downlink.data_lost", partition=self._partition.index)
            self._recover(lost_data=True)

    async def _renew(self) -> bool:
        """Renew this gateway's entry, and send it a probe. False: Redis didn't have the entry, or may have lost data.

        Raises ConnectionError when the probe had no subscriber: the subscription is on a server that is no longer the master.
        """
        known, subscribers, epoch = await _alive(
            self._partition, self._gateway_id, LIVENESS_SECONDS, ROUTE_SECONDS, self._probe_message
        )
        if not subscribers:
            raise ConnectionError("the link leads to a server that is no longer the master")
        before, self._epoch = self._epoch, epoch
        return bool(known) and before in (b"", epoch)

    def _recover(self, *, lost_data: bool = False) -> None:
        if self._recovery.ask_all(self._partition.index, lost_data=lost_data):
            metrics.LINK_GAPS.inc()

    def _on_message(self, body: bytes) -> None:
        if self._deliverer.on_downlink(body) == self._nonce:
            self._heard_at = time.monotonic()
