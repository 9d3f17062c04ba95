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
    messages = {error: undelivered(user_id) for error in PASSING_ERRORS}
    async with refusing_redis(redis_url) as redis:
        monkeypatch.setenv("CHAT_REDIS_URLS", redis.url)
        for error, message in messages.items():
            # A notifier of its own for each: after an error, one doesn't ask that server again for 5 s.
            async with start() as running:
                await running.subscribe(user_id, browser)
                redis.error = error
                await broker.undelivered(message)
                await redis.refuses(error, times=1)
        async with start():
            await push.wait_for(len(messages), browser)
            for queue in (NOTIFIER_DEAD, NOTIFIER_RETRIES_DEAD):
                assert await broker.count(queue) == 0
    pushed = {browser.decrypt(got.body)["data"]["messageId"] for got in push.to(browser)}
    assert pushed == {message.message_id for message in messages.values()}
