"""What the notifier asks Redis about a crowd: in scripts so short that no message of the chat waits for one."""

import re
import uuid
from typing import Any

from services.notifier.handlers import GROUP_SIZE
from tests.integration.notifier.conftest import Broker, Start, counted, undelivered, until

CROWD = 2_000
BATCH = 500
ARGUMENTS_EACH = 5
MORE = re.compile(r"\((\d+) more arguments\)")
"""How Redis ends a long command in its slow log: it keeps 32 arguments."""


async def test_a_crowd_is_looked_up_in_short_scripts(start: Start, broker: Broker) -> None:
    async with start() as notifier:
        redis: Any = notifier.redis
        before = counted("chat_push_unsubscribed_total")
        await redis.config_set("slowlog-max-len", 10_000)
        await redis.config_set("slowlog-log-slower-than", 0)
        try:
            await redis.slowlog_reset()
            for _ in range(CROWD // BATCH):
                await broker.undelivered(*(undelivered(str(uuid.uuid4())) for _ in range(BATCH)))
            await until(lambda: counted("chat_push_unsubscribed_total") == before + CROWD, seconds=60)
            commands = [entry["command"].decode(errors="replace") for entry in await redis.slowlog_get(10_000)]
        finally:
            await redis.config_set("slowlog-log-slower-than", 10_000)
            await redis.slowlog_reset()
    longest = max(int(found[1]) for command in commands if (found := MORE.search(command)))
    # 32 more are shown: the script, its keep time, and the first messages.
    assert longest <= GROUP_SIZE * ARGUMENTS_EACH
    assert longest >= ARGUMENTS_EACH * GROUP_SIZE // 2, "no crowd was looked up"
