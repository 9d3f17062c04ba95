"""Redis, PostgreSQL and RabbitMQ: memory, replicas, archive, alarms, nodes; and a schema that is too old."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.postgres.condition import code_revision
from shared.protocol import keys
from tests.alerts.condition import condition
from tests.alerts.watched import Watched
from tests.support.backends import execute
from tests.support.people import text_message
from tests.support.waiting import eventually
from tools.migration_step import MigrationStep
from tools.stack.home import ROOT

SETTLE_SECONDS = 90
BLOCK_BYTES = 100_000


async def used_bytes(watched: Watched) -> int:
    """What Redis uses of its memory."""
    async with watched.redis_client() as redis:
        return int((await redis.info("memory"))["used_memory"])


async def configure(watched: Watched, **settings: str | int) -> None:
    """CONFIG SET on Redis' master."""
    async with watched.redis_client() as redis:
        for name, value in settings.items():
            await redis.config_set(name.replace("_", "-"), value)


@condition("`maxmemory` is hardly more than Redis uses", ChatRedisMemory={})
async def little_memory(watched: Watched) -> AsyncIterator[None]:
    await configure(watched, maxmemory=round(await used_bytes(watched) * 1.2))
    yield
    operator = watched.operator("ChatRedisMemory")
    assert "Biggest" in await operator.run("redis-cli --bigkeys")
    assert "OK" in await operator.run("redis-cli CONFIG SET maxmemory 8gb")
    await watched.ends("ChatRedisMemory", {})
    await configure(watched, maxmemory=0)


@condition("`maxmemory-policy` is allkeys-lru, and Redis is full", ChatRedisEvicts={})
async def evicting(watched: Watched) -> AsyncIterator[None]:
    alice, bob = watched.people.make("alice"), watched.people.make("bob")
    conversation = await alice.conversation_with(bob)
    async with await alice.connect() as socket:
        await socket.send("message.send", **text_message(conversation, "Hello there!", "1"))
        await socket.expect("message.sent", tempId="1")
    await configure(watched, maxmemory_policy="allkeys-lru", maxmemory=await used_bytes(watched) + 20 * BLOCK_BYTES)
    go_on = True

    async def fill() -> None:
        number = 0
        async with watched.redis_client() as redis:
            while go_on:
                number += 1
                await redis.set(f"filling:{number}", "x" * BLOCK_BYTES, ex=120)
                await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        group.create_task(fill())
        try:
            yield
        finally:
            go_on = False
    operator = watched.operator("ChatRedisEvicts")
    assert "OK" in await operator.run("redis-cli CONFIG SET maxmemory-policy noeviction")
    await configure(watched, maxmemory=0)
    async with watched.redis_client() as redis:
        await redis.set(keys.key(keys.UNREAD_TOTAL, bob.id), 7)
    await operator.run("chatctl unread NAME --repair", {"NAME": bob.username})
    async with watched.redis_client() as redis:
        assert await redis.get(keys.key(keys.UNREAD_TOTAL, bob.id)) == "1"


@condition("Redis' replica is killed", ChatRedisReplication={})
async def lone_redis(watched: Watched) -> AsyncIterator[None]:
    await watched.replica.kill()
    yield
    assert "connected_slaves:0" in await watched.operator("ChatRedisReplication").run("redis-cli INFO replication")
    await watched.replica.start()


@condition("a standby of PostgreSQL stops replaying while messages are stored", ChatPostgresReplication={})
async def lagging(watched: Watched) -> AsyncIterator[None]:
    standby = watched.postgres.servers[watched.postgres.standby].url
    await execute(standby, "SELECT pg_wal_replay_pause()")
    go_on = True

    async def write() -> None:
        while go_on:
            await execute(watched.database_url, "SELECT pg_logical_emit_message(true, 'tests', repeat('x', 1000))")
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        try:
            yield
        finally:
            go_on = False
    operator = watched.operator("ChatPostgresReplication", CHAT_DATABASE_URL=watched.database_url)
    assert "streaming" in await operator.run("SELECT * FROM pg_stat_replication")
    await execute(standby, "SELECT pg_wal_replay_resume()")


@condition("PostgreSQL's standby is killed", ChatPostgresReplication={})
async def no_standby(watched: Watched) -> AsyncIterator[None]:
    await watched.postgres.kill(watched.postgres.standby)
    try:
        yield
        operator = watched.operator("ChatPostgresReplication", CHAT_DATABASE_URL=watched.database_url)
        assert "(0 rows)" in await operator.run("SELECT * FROM pg_stat_replication")
    finally:
        await watched.postgres.start(watched.postgres.standby)
    await eventually(watched.postgres.in_step, SETTLE_SECONDS)


@condition("`archive_command` fails", ChatArchiveFails={})
async def no_archive(watched: Watched) -> AsyncIterator[None]:
    postgres = watched.postgres
    for statement in ("SET archive_mode = on", "SET archive_command = 'false'"):
        await execute(watched.database_url, f"ALTER SYSTEM {statement}")
    await postgres.kill(postgres.primary)
    await postgres.start(postgres.primary)
    await eventually(postgres.in_step, SETTLE_SECONDS)
    await execute(
        watched.database_url, "SELECT pg_logical_emit_message(true, 'tests', 'a segment has to have something')"
    )
    await execute(watched.database_url, "SELECT pg_switch_wal()")
    yield
    await execute(watched.database_url, "ALTER SYSTEM SET archive_command = 'true'")
    await execute(watched.database_url, "SELECT pg_reload_conf()")


@condition(
    "RabbitMQ's memory limit is below what it uses, while people write",
    ChatRabbitAlarm={},
    ChatObjectiveBurnsFast={},
    ChatObjectiveBurns={},
    ChatObjectiveBurnsSlowly={},
    ChatObjectiveAtRisk={},
)
async def alarm(watched: Watched) -> AsyncIterator[None]:
    alice, bob = watched.people.make("alice"), watched.people.make("bob")
    conversation = await alice.conversation_with(bob)
    socket = await alice.connect()

    async def write() -> None:
        number = 0
        while True:
            number += 1
            await socket.send("message.send", **text_message(conversation, "Hello there!", str(number)))
            await asyncio.sleep(0.2)

    await watched.rabbitmq.control(1, "set_vm_memory_high_watermark", "0.0000001")
    writing = asyncio.create_task(write())
    try:
        yield
        operator = watched.operator("ChatRabbitAlarm")
        assert "memory" in (await operator.run("rabbitmq-diagnostics alarms")).lower()
        assert "messaging.commands" in await operator.run("rabbitmqctl list_queues name messages")
        await watched.rabbitmq.control(1, "set_vm_memory_high_watermark", "0.3")
        # They go on writing: what is answered in time spends nothing.
        for alert in ("ChatRabbitAlarm", "ChatObjectiveBurnsFast"):
            await watched.ends(alert, {})
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


@condition("one of three nodes of RabbitMQ is killed", ChatRabbitNodeLost={})
async def two_nodes(watched: Watched) -> AsyncIterator[None]:
    await watched.rabbitmq.kill(3)
    yield
    operator = watched.operator("ChatRabbitNodeLost")
    await operator.run("rabbitmq-queues check_if_node_is_quorum_critical", fails=True)
    await watched.rabbitmq.start(3)
    await watched.rabbitmq.may_go(1)
    await operator.run("rabbitmq-queues check_if_node_is_quorum_critical")


@condition("two of three nodes of RabbitMQ are killed", ChatRabbitQuorumLost={})
async def one_node(watched: Watched) -> AsyncIterator[None]:
    await watched.rabbitmq.kill(3)
    await watched.rabbitmq.kill(2)
    yield
    # A node that was killed waits for others at its start: both at once.
    await asyncio.gather(watched.rabbitmq.start(2), watched.rabbitmq.start(3))
    await watched.rabbitmq.may_go(1)


@condition("all nodes of RabbitMQ are killed and lose their volumes", ChatRabbitQuorumLost={})
async def no_volumes(watched: Watched) -> AsyncIterator[None]:
    for node in watched.rabbitmq.names:
        await watched.rabbitmq.kill(node)
    yield
    # As the page says for volumes that are lost for good: an empty cluster, in which services declare their queues.
    await watched.rabbitmq.begin_anew()
    alice, bob = watched.people.make("alice"), watched.people.make("bob")
    conversation = await alice.conversation_with(bob)
    async with await alice.connect(greet=False) as socket:

        async def stored() -> bool:
            await socket.send("message.send", **text_message(conversation, "Hello there!", "after"))
            with suppress(AssertionError):
                return bool(await socket.expect("message.sent", tempId="after", timeout=5))
            return False

        await eventually(stored, SETTLE_SECONDS)


@condition("the schema is one migration behind", ChatAllReplicasUnready={"job": "messaging"})
async def old_schema(watched: Watched) -> AsyncIterator[None]:
    newest = str(code_revision())
    (module,) = (ROOT / "migrations/versions").glob(f"{newest}_*.py")
    step = MigrationStep(module.stem)
    engine = create_async_engine(re.sub("^postgresql", "postgresql+asyncpg", watched.database_url), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(step.downgrade)
    await engine.dispose()
    before = re.search(r'^down_revision.*"(.+)"', module.read_text(encoding="utf-8"), re.MULTILINE)
    assert before is not None
    await execute(watched.database_url, f"UPDATE alembic_version SET version_num = '{before[1]}'")
    yield
    operator = watched.operator("ChatAllReplicasUnready")
    told = await operator.look("/readyz?verbose", watched.services.direct_url("messaging-1"))
    assert newest in told, told
    assert newest in await operator.run("chatctl doctor", fails=True)
    await watched.services.migrate()
