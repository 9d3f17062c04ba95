"""A Redis that can't serve for a while: what gateways reported is held, none of it is dead-lettered, and it counts afterwards."""

import uuid

import aio_pika
import pytest
from redis.asyncio import Redis

from services.presence.app import Presence
from services.presence.settings import PresenceSettings
from shared import postgres
from shared.lifecycle import Supervisor
from shared.protocol import keys, relay, topology
from shared.protocol.codec import msgpack_encoder
from shared.rabbitmq import declare
from shared.redis import open_partitions
from tests.support.gateway import eventually
from tests.support.refusing_redis import PASSING_ERRORS, refusing_redis


async def test_a_connect_is_held(
    pool: postgres.Pool, database_url: str, amqp_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor()
    async with (
        refusing_redis(redis_url) as redis,
        Redis.from_url(redis_url) as client,
        await aio_pika.connect(amqp_url) as connection,
    ):
        secret = "integration-test-secret-0123456789abcdef"
        settings = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "REDIS_URLS": redis.url, "JWT_SECRET": secret}
        for name, value in settings.items():
            monkeypatch.setenv(f"CHAT_{name}", value)
        channel = await connection.channel(publisher_confirms=True)
        for queue in (topology.PRESENCE_COMMANDS, topology.PRESENCE_DEAD):
            await (await declare(channel, queue)).purge()
        partitions = open_partitions(redis.url)
        presence = Presence(PresenceSettings(), pool, partitions)
        presence.start(supervisor)
        for error in PASSING_ERRORS:
            user, redis.error = str(uuid.uuid4()), error
            connected = relay.Connected(user, str(uuid.uuid4()), "gateway", int((await client.time())[0]) * 1000)
            body = msgpack_encoder.encode(relay.PresenceBatch([connected]))
            await channel.default_exchange.publish(aio_pika.Message(body), routing_key=topology.PRESENCE_COMMANDS.name)
            await redis.refuses(error)

            async def leased(user: str = user) -> bool:
                return bool(await client.exists(keys.key(keys.LEASES, user)))

            await eventually(leased, 30)
        dead = await declare(channel, topology.PRESENCE_DEAD)
        assert await dead.get(fail=False) is None
        assert not supervisor.failed.is_set()
        await supervisor.stop()
        await partitions.aclose()
