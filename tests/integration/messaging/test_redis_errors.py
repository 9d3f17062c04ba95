"""A Redis that can't serve for a while: batches are held, none is dead-lettered, and everything is delivered afterwards."""

import pytest
from pydantic import SecretStr

from services.messaging.app import Messaging
from services.messaging.settings import Settings
from shared import postgres
from shared.lifecycle import Supervisor
from shared.protocol import topology
from shared.redis import Partitions, open_partitions
from tests.integration.messaging.conftest import is_ready
from tests.support.messaging import Gateway, Talk, eventually
from tests.support.messaging_process import SECRET, Broker
from tests.support.refusing_redis import PASSING_ERRORS, refusing_redis
from tools.dead_letters import list_letters


@pytest.fixture
def partitions(one_partition: Partitions) -> Partitions:
    """One partition: where the proxy leads."""
    return one_partition


async def test_a_batch_is_held(
    pool: postgres.Pool,
    database_url: str,
    amqp_url: str,
    redis_url: str,
    talk: Talk,
    gateway: Gateway,
    broker: Broker,
) -> None:
    supervisor = Supervisor()
    async with refusing_redis(redis_url) as redis:
        refused = open_partitions(redis.url)
        given = {"database_url": database_url, "amqp_url": amqp_url, "redis_urls": redis.url}
        settings = Settings.model_validate({**given, "jwt_secret": SecretStr(SECRET)})
        messaging = Messaging(settings, pool, refused, pool)
        app = messaging.http().app
        messaging.start(supervisor)
        await eventually(lambda: is_ready(app))
        for number, error in enumerate(PASSING_ERRORS):
            redis.error = error
            batch = gateway.batch(talk.send(talk.one, error, f"t{number}"))
            await broker.send(batch)
            await redis.refuses(error)
            await gateway.completed(batch)
        assert gateway.messages(talk.other) == list(enumerate(PASSING_ERRORS, 1))
        assert await list_letters(amqp_url, topology.MESSAGING_DEAD.name) == []
        assert not supervisor.failed.is_set()
        await supervisor.stop()
        await refused.aclose()
