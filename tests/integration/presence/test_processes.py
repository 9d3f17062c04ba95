"""Two presence processes on one set of queues: users don't notice when one is killed."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from pydantic import SecretStr

from shared.lifecycle import Supervisor
from shared.protocol import relay, topology
from shared.protocol.codec import msgpack_encoder
from shared.rabbitmq import Publisher
from shared.redis import Partitions
from tests.support.forks import FORKS, Fork
from tests.support.plain_http import plain_http
from tests.support.presence import Device, Gateways, Replica
from tools.stack.ports import free_port

SECONDS = 60
LEASE_SECONDS = 6.0
GRACE_SECONDS = 1.0
USERS = 12


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def presence(environment: dict[str, str]) -> AsyncIterator[Fork]:
    """A process that is ready; killed at the end."""
    port = free_port()
    process = FORKS.start("services.presence", {**os.environ, **environment, "CHAT_HTTP_PORT": str(port)})
    try:
        async with asyncio.timeout(SECONDS), plain_http(f"http://127.0.0.1:{port}") as client:
            while not await is_ready(client):  # noqa: ASYNC110 - it can only be asked
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def partitions(one_partition: Partitions) -> Partitions:
    """One partition: what the processes see."""
    return one_partition


@pytest.fixture
async def processes(database_url: str, redis_url: str, amqp_url: str, gateways: Gateways) -> AsyncIterator[list[Fork]]:
    """Two replicas with a short lease."""
    environment = {
        "CHAT_DATABASE_URL": database_url,
        "CHAT_AMQP_URL": amqp_url,
        "CHAT_REDIS_URLS": redis_url,
        "CHAT_JWT_SECRET": "integration-test-secret-0123456789abcdef",
        "CHAT_LEASE_SECONDS": str(LEASE_SECONDS),
        "CHAT_OFFLINE_GRACE_SECONDS": str(GRACE_SECONDS),
        "CHAT_ANNOUNCE_RETRY_SECONDS": "1",
    }
    async with AsyncExitStack() as stack:
        starting = (stack.enter_async_context(presence(environment)) for _ in range(2))
        yield list(await asyncio.gather(*starting))


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[Publisher]:
    sending = Publisher(SecretStr(amqp_url), "test", topology.QUEUES)
    supervisor = Supervisor()
    supervisor.start("link", sending.run())
    async with asyncio.timeout(SECONDS):
        while not sending.ready:  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(0.02)
    yield sending
    await supervisor.stop()


async def until(gateways: Gateways, holds: Callable[[], bool]) -> None:
    """Wait until what was heard makes something true. Raises TimeoutError."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            await gateways.sync()
            await asyncio.sleep(0.02)


async def test_killing_one_of_two_changes_nothing_seen(
    processes: list[Fork], publisher: Publisher, replica: Replica, gateways: Gateways
) -> None:
    watcher = Device(str(uuid.uuid4()), "gateway-0")
    users = [str(uuid.uuid4()) for _ in range(USERS)]
    for user in users:
        await replica.follow(watcher.user_id, user)
        await replica.follow(user, watcher.user_id)

    async def tell(*commands: relay.PresenceCommand) -> None:
        for command in commands:
            body = msgpack_encoder.encode(relay.PresenceBatch([command]))
            await publisher.publish(topology.PRESENCE_COMMANDS, body)

    async def renew(*devices: Device) -> None:
        held = [(device.user_id, device.connection_id) for device in devices]
        body = msgpack_encoder.encode(relay.LeaseRenewal("gateway", now_ms(), held))
        await publisher.publish(topology.PRESENCE_RENEWALS, body)

    def shown(status: str, *of: str) -> Callable[[], bool]:
        return lambda: all(user in watcher.view and watcher.view[user].status == status for user in of)

    await gateways.plug(watcher)
    await tell(watcher.connected(now_ms()))
    await until(gateways, shown("offline", *users))
    devices = [await gateways.plug(Device(user, "gateway-1")) for user in users]
    half = USERS // 2
    await tell(*(device.connected(now_ms()) for device in devices[:half]))
    processes[0].kill()
    await tell(*(device.connected(now_ms()) for device in devices[half:]))
    await until(gateways, shown("online", *users))
    # Some go, some are lost, some die with their gateway; the others stay.
    closed, lost, dead, staying = devices[:3], devices[3:6], devices[6:9], devices[9:]
    renewing = asyncio.create_task(repeat(lambda: renew(watcher, *staying)))
    try:
        await tell(*(device.disconnected(now_ms(), clean=True) for device in closed))
        await until(gateways, shown("offline", *(device.user_id for device in closed)))
        await tell(*(device.disconnected(now_ms(), clean=False) for device in lost))
        await until(gateways, shown("offline", *(device.user_id for device in lost)))
        await until(gateways, shown("offline", *(device.user_id for device in dead)))
        assert shown("online", *(device.user_id for device in staying))()
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def repeat(work: Callable[[], Awaitable[None]]) -> None:
    """Do something three times a lease."""
    while True:
        await work()
        await asyncio.sleep(LEASE_SECONDS / 3)


async def test_a_terminated_process_ends_cleanly(processes: list[Fork]) -> None:
    for process in processes:
        process.terminate()
    async with asyncio.timeout(SECONDS):
        assert [await process.wait() for process in processes] == [0, 0]
