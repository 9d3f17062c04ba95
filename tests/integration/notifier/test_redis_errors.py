"""A Redis that can't serve for a while: pushes are held, none is dead-lettered, and all are sent afterwards."""

import pytest

from shared.protocol.topology import NOTIFIER_DEAD, NOTIFIER_RETRIES_DEAD
from tests.integration.notifier.conftest import Broker, Start, undelivered
from tests.support.push_service import PushService
from tests.support.refusing_redis import PASSING_ERRORS, refusing_redis


async def test_a_push_is_held(
    start: Start, redis_url: str, broker: Broker, push: PushService, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = push.browser()
    async with refusing_redis(redis_url) as redis:
        monkeypatch.setenv("CHAT_REDIS_URLS", redis.url)
        async with start() as running:
            await running.subscribe(user_id, browser)
            for count, error in enumerate(PASSING_ERRORS, 1):
                redis.error = error
                await broker.undelivered(undelivered(user_id, preview=error))
                await redis.refuses(error)
                await push.wait_for(count, browser)
            for queue in (NOTIFIER_DEAD, NOTIFIER_RETRIES_DEAD):
                assert await broker.count(queue) == 0
