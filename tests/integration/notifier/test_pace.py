"""A crowd of due pushes goes out at the pace that the operator sets; what leads to no push takes none of it."""

import time
import uuid

from tests.integration.notifier.conftest import Broker, Start, undelivered
from tests.integration.notifier.test_service_queues import crowd
from tests.support.push_service import PushService

SECONDS = 60


async def test_a_crowd_goes_out_at_the_pace_that_is_set(start: Start, broker: Broker, push: PushService) -> None:
    per_second, size = 100, 200
    async with start(push_per_second=per_second) as notifier:
        users = await crowd(notifier, push, size)
        began = time.monotonic()
        await broker.undelivered(*(undelivered(user_id) for user_id in users))
        await push.wait_for(size, seconds=SECONDS)
        # The first two begin at once.
        assert time.monotonic() - began >= 0.95 * (size - 2) / per_second
    assert set(push.counts.values()) == {1}


async def test_who_has_no_browser_takes_no_turn(start: Start, broker: Broker, push: PushService, user_id: str) -> None:
    browser = push.browser()
    async with start(push_per_second=1) as notifier:
        await notifier.subscribe(user_id, browser)
        await broker.undelivered(*(undelivered(str(uuid.uuid4())) for _ in range(10 * SECONDS)), undelivered(user_id))
        await push.wait_for(1, browser, seconds=SECONDS)
