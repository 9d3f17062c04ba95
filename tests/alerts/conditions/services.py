"""Replicas that are gone, restart, hang or have a wrong clock."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import tests.support.shifted_clock
from tests.alerts.condition import condition
from tests.alerts.watched import Watched

SHIFT = Path(next(iter(tests.support.shifted_clock.__path__)))
STARTS = 5
STOPPED_SECONDS, RUNNING_SECONDS = 0.6, 0.35


@condition(
    "both replicas of messaging are stopped",
    ChatServiceDown={"job": "messaging"},
    ChatNoServer={"proxy": "messaging"},
)
async def no_replica(watched: Watched) -> AsyncIterator[None]:
    await watched.services.stop("messaging-1")
    await watched.services.stop("messaging-2")
    yield
    await watched.services.revive()


@condition("HAProxy is stopped", ChatNoServer={"job": "haproxy"})
async def no_balancer(watched: Watched) -> AsyncIterator[None]:
    await watched.services.stop("haproxy")
    yield
    await watched.services.start("haproxy")


@condition(
    "one of two replicas of presence is stopped",
    ChatReplicaDown={"job": "presence"},
    ChatNoRedundancy={"job": "presence"},
)
async def one_replica(watched: Watched) -> AsyncIterator[None]:
    await watched.services.stop("presence-2")
    yield
    await watched.services.start("presence-2")


@condition(f"admin-2 is killed and started {STARTS} times", ChatReplicaRestarts={"job": "admin"})
async def restarts(watched: Watched) -> AsyncIterator[None]:
    started = 'process_start_time_seconds{job="admin"}'
    for _ in range(STARTS):
        await watched.services.kill("admin-2")
        await watched.services.start("admin-2")
        # Prometheus looks once a second: it must have seen each start.
        before = await watched.prometheus.ask(started)
        await watched.scraped(before, started)
    yield


@condition("webhooks-2 gets no CPU for more than half of the time", ChatEventLoopBlocked={"job": "webhooks"})
async def hanging(watched: Watched) -> AsyncIterator[None]:
    pid = watched.services.pid("webhooks-2")

    async def hamper() -> None:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(STOPPED_SECONDS)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(RUNNING_SECONDS)

    hampering = asyncio.create_task(hamper())
    try:
        yield
    finally:
        hampering.cancel()
        with suppress(asyncio.CancelledError):
            await hampering
        os.kill(pid, signal.SIGCONT)


@condition("the clock of messaging-2 is a minute ahead", ChatClockOff={"job": "messaging"})
async def wrong_clock(watched: Watched) -> AsyncIterator[None]:
    async with watched.services.settings("messaging-2", PYTHONPATH=str(SHIFT), CLOCK_SHIFT_SECONDS="60"):
        yield
        assert "clock.off" in watched.services.log("messaging-2")
