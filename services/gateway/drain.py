"""An orderly end: refuse new clients, close connections little by little, finish all work under way."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import structlog

from services.gateway.downlink.undelivered import UndeliveredTracker
from services.gateway.handshake.admission import Admission
from services.gateway.session.hub import Hub
from shared.protocol.closing import CloseCode

log = structlog.get_logger(__name__)

STEP_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 10.0
"""How long the drain waits for commands in flight when only their connections are left."""
FINISH_SECONDS: Final = 5.0


class Drain:
    """Closes all connections, spread over some time. `quiet` says whether all work under way is finished."""

    def __init__(
        self,
        hub: Hub,
        admission: Admission,
        undelivered: UndeliveredTracker,
        drain_seconds: float,
        idle: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._admission = admission
        self._undelivered = undelivered
        self._seconds = drain_seconds
        self._quiet = idle

    async def run(self) -> None:
        """Drain. Takes at most the drain time, and 15 s more when answers don't come."""
        self._admission.draining = True
        started = time.monotonic()
        log.info("drain.started", connections=len(self._hub), seconds=self._seconds)
        await self._close_in_batches(started + self._seconds)
        await self._wait(lambda: not self._busy(), ANSWER_SECONDS)
        for connection in self._hub:
            connection.close(CloseCode.GOING_AWAY)
        self._undelivered.give_up()
        await self._wait(self._quiet, FINISH_SECONDS)
        log.info("drain.finished", idle=self._quiet(), seconds=round(time.monotonic() - started, 3))

    async def _close_in_batches(self, until: float) -> None:
        """Close connections in random order, evenly spread until `until`; those with commands under way come last."""
        while len(self._hub) and (left := until - time.monotonic()) > 0:
            steps = max(1, round(left / STEP_SECONDS))
            idle = [connection for connection in self._hub if not connection.busy]
            for connection in random.sample(idle, min(len(idle), -(-len(self._hub) // steps))):
                connection.close(CloseCode.GOING_AWAY)
            await asyncio.sleep(min(left, STEP_SECONDS * random.uniform(0.5, 1.5)))  # noqa: S311
        for connection in self._hub:
            if not connection.busy:
                connection.close(CloseCode.GOING_AWAY)

    def _busy(self) -> bool:
        return any(connection.busy for connection in self._hub)

    async def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            for connection in self._hub:
                if not connection.busy:
                    connection.close(CloseCode.GOING_AWAY)
            await asyncio.sleep(0.02)
