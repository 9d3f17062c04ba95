"""Notices answers of messaging that were lost with the link that they come through.

What messaging publishes for a gateway is kept nowhere: the answers to commands, and that their batch is finished. If that is
lost, the next commands of the batch's connections would wait until the batch is given up, after ten seconds. But messaging
remembers which batches it has finished, so that it need not do them again.
"""

import asyncio
import time
from typing import Final

import structlog

from services.gateway.uplink.publisher import CommandPublisher
from shared.redis import REDIS_ERRORS, Partitions
from shared.redis.processed_batches import ProcessedBatches

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often it looks again: messaging remembers a batch some milliseconds after its answers, or later while Redis is away."""


class LostAnswers:
    """Gives up batches that messaging has finished while this gateway's link was cut: their answers won't come."""

    def __init__(self, partitions: Partitions, gateway_id: str, uplink: CommandPublisher) -> None:
        self._processed = ProcessedBatches(partitions)
        self._gateway_id = gateway_id
        self._partition = partitions.index_of(gateway_id)
        self._uplink = uplink
        self._back_at = 0.0
        """When the link was there again, in monotonic seconds."""
        self._any_left = asyncio.Event()

    async def on_link_back(self, partition: int) -> None:
        """The link to a partition is there again, after it was cut.

        Clients are told «send_failed» before they get what is in their inboxes: if that has the message, it comes last.
        """
        if partition == self._partition:
            self._back_at = time.monotonic()
            self._any_left.set()
            await self._look()

    async def run(self) -> None:
        """Look again while there are batches that left before the link was back. Never returns."""
        while True:
            await self._any_left.wait()
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        waiting = self._uplink.left_before(self._back_at)
        if not waiting:
            self._any_left.clear()
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = await self._processed.find((self._gateway_id, batch_id) for batch_id in waiting)
        except REDIS_ERRORS as error:
            log.warning("answers.not_looked_up", batches=len(waiting), error=repr(error))
        else:
            self._uplink.give_up(batch_id for _, batch_id in found)
