"""A crowd of pushes that are due at once: each is sent once, and memory stays bounded. Prints the figures.

2,500 are more than a replica has room for. `python -m tools.bench.pushes` measures 10,000.
"""

import asyncio
import time

import psutil

from tests.integration.notifier.conftest import Broker, Start, undelivered
from tests.integration.notifier.test_redelivery import Spawn, spawn  # noqa: F401 - a fixture
from tests.integration.notifier.test_service_queues import crowd
from tests.support.push_service import PushService

CROWD = 2_500
MOST_BYTES = 250 << 20
BATCH = 200


async def test_a_crowd_of_pushes_at_once(start: Start, spawn: Spawn, broker: Broker, push: PushService) -> None:  # noqa: F811
    async with start() as notifier:
        users = list(await crowd(notifier, push, CROWD))
    process = await spawn()
    measured = psutil.Process(process.pid)
    before = measured.memory_info().rss
    begun = time.monotonic()
    for first in range(0, CROWD, BATCH):
        await broker.undelivered(*(undelivered(user_id) for user_id in users[first : first + BATCH]))
    most = before
    while len(push.pushes) < CROWD:
        most = max(most, measured.memory_info().rss)
        assert most < MOST_BYTES
        await asyncio.sleep(0.05)
    took = time.monotonic() - begun
    cpu = sum(measured.cpu_times()[:2])
    print(
        f"{CROWD} pushes in {took:.1f} s, {CROWD / took:.0f} a second, {cpu:.1f} s of CPU; "
        f"memory {before >> 20} MiB before, {most >> 20} MiB at most"
    )
    assert set(push.counts.values()) == {1}
