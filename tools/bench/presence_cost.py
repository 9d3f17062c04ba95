"""`python -m tools.bench.presence_cost`: measures the CPU of changes of presence, over all server processes, without sockets.

It starts one presence process on the servers that `CHAT_DATABASE_URL`, `CHAT_AMQP_URL` and `CHAT_REDIS_URLS` name; the database
and the Redis servers are emptied. It acts as the gateways: 1,000 users with 50 friends each connect, renew and disconnect. The
scenarios of `tools.bench` measure the sockets.
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httpx
import psutil
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.lifecycle import Supervisor
from shared.protocol import keys, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import PRESENCE_COMMANDS, PRESENCE_RENEWALS, QUEUES, Queue
from shared.rabbitmq import Publisher
from shared.redis import open_partitions
from tools.bench.cpu import difference, sample

USERS: Final = 1_000
FRIENDS: Final = 50
GATEWAYS: Final = 4
BATCH: Final = 100
"""Commands in one AMQP message, as many as a gateway collects under load."""
PORT: Final = 21480
READY_SECONDS: Final = 60
QUIET_SECONDS: Final = 3.0
"""When nothing arrives for this long, nothing more is expected."""
SECRET: Final = "benchmark-secret-0123456789abcdef0123"  # noqa: S105 - used by the benchmark only


@dataclass
class Heard:
    """What the gateways got: events, counted for each receiving user, and when the last one arrived (monotonic seconds)."""

    events: int = 0
    bulks: int = 0
    downlinks: int = 0
    last_at: float = field(default_factory=time.monotonic)

    def hear(self, body: bytes) -> None:
        """Count the events of a downlink."""
        downlink = relay.downlink_decoder.decode(body)
        self.downlinks += 1
        self.bulks += len(downlink.connection_events)
        self.events += sum(len(transient.user_ids) for transient in downlink.transient_events)
        self.last_at = time.monotonic()


class Bench:
    """The users, the gateways, and the processes that are measured."""

    def __init__(self, redis_url: str, publisher: Publisher, presence_pid: int) -> None:
        self.redis = open_partitions(redis_url).at(0)
        self.publisher = publisher
        self.heard = Heard()
        self.users = [str(uuid.uuid4()) for _ in range(USERS)]
        self.connections = {user: str(uuid.uuid4()) for user in self.users}
        self.gateways = {user: f"bench-{index % GATEWAYS}" for index, user in enumerate(self.users)}
        ports = {
            "redis": [redis_url],
            "postgres": [os.environ["CHAT_DATABASE_URL"]],
            "rabbitmq": [os.environ["CHAT_AMQP_URL"]],
        }
        self.roots = {kind: [_listener(url) for url in urls] for kind, urls in ports.items()} | {
            "presence": [presence_pid]
        }

    async def prepare(self) -> None:
        """Store friendships, in a ring with the neighbours on both sides, and routes as gateways write them."""
        rows = [
            (user, self.users[(index + step) % USERS])
            for index, user in enumerate(self.users)
            for step in range(-FRIENDS // 2, FRIENDS // 2 + 1)
            if step
        ]
        connection = await asyncpg.connect(os.environ["CHAT_DATABASE_URL"])
        await connection.execute("TRUNCATE presence.follows, presence.blocks")
        await connection.copy_records_to_table(
            "follows", schema_name="presence", records=rows, columns=["follower", "followee"]
        )
        await connection.execute("ANALYZE presence.follows")
        await connection.close()
        for user in self.users:
            routes = keys.key(keys.ROUTES, user)
            await self.redis.client.hset(routes, self.connections[user], self.gateways[user])

    async def listen(self, client: Redis) -> None:
        """Count the downlinks that one Redis server publishes."""
        topics = client.pubsub()
        await topics.subscribe(*(keys.key(keys.GATEWAY, f"bench-{index}") for index in range(GATEWAYS)))
        async for message in topics.listen():
            if message["type"] == "message":
                self.heard.hear(message["data"])

    async def send(self, queue: Queue, bodies: Iterable[bytes]) -> None:
        """Publish messages as a gateway does."""
        for body in bodies:
            await self.publisher.publish(queue, body, persistent=queue is PRESENCE_COMMANDS)

    def batches(self, make: Callable[[str], relay.PresenceCommand]) -> list[bytes]:
        """Return one command of every user, in batches."""
        commands = [make(user) for user in self.users]
        parts = (commands[first : first + BATCH] for first in range(0, USERS, BATCH))
        return [msgpack_encoder.encode(relay.PresenceBatch(part)) for part in parts]

    async def calls(self) -> int:
        """Return the number of script calls so far."""
        counts = await self.redis.client.info("commandstats")
        return int(counts.get("cmdstat_evalsha", {}).get("calls", 0))

    async def measure(self, name: str, queue: Queue, bodies: list[bytes]) -> None:
        """Publish, wait until nothing more arrives, and print the cost for each user."""
        self.heard = Heard()
        calls, before, started_at = await self.calls(), sample(self.roots), time.monotonic()
        await self.send(queue, bodies)
        while time.monotonic() - max(self.heard.last_at, started_at) < QUIET_SECONDS:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        spent = difference(before, sample(self.roots))
        each = {kind: nanoseconds / 1000 / USERS for kind, nanoseconds in spent.items()}
        shown = "  ".join(f"{kind} {each[kind]:7.1f}" for kind in self.roots)
        scripts = (await self.calls() - calls) / USERS
        seconds = max(self.heard.last_at - started_at, 0)
        print(
            f"{name:<22} {sum(each.values()):8.1f} µs/user  ({shown})  {scripts:.3f} scripts/user  "
            f"{self.heard.events:>6} events, {self.heard.bulks} bulks in {self.heard.downlinks} downlinks, {seconds:.2f} s"
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _listener(url: str) -> int:
    """Return the process that listens on a URL's port. PostgreSQL, RabbitMQ and Redis work in it and its descendants."""
    port = urlsplit(url).port
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
            return connection.pid
    raise LookupError(f"no local process listens on port {port}")


async def _scenarios(bench: Bench) -> None:
    def connect(user: str) -> relay.PresenceCommand:
        return relay.Connected(user, bench.connections[user], bench.gateways[user], _now_ms())

    def close(user: str) -> relay.PresenceCommand:
        return relay.Disconnected(user, bench.connections[user], True, _now_ms())

    def renewal() -> bytes:
        held = [(user, bench.connections[user]) for user in bench.users]
        return msgpack_encoder.encode(relay.LeaseRenewal("bench-0", _now_ms(), held))

    await bench.measure("connect, cold friends", PRESENCE_COMMANDS, bench.batches(connect))
    await bench.measure("connect again (greet)", PRESENCE_COMMANDS, bench.batches(connect))
    await bench.measure("renew", PRESENCE_RENEWALS, [renewal()])
    await bench.measure("10 renewals", PRESENCE_RENEWALS, [renewal() for _ in range(10)])
    busy = bench.batches(lambda user: relay.SetStatus(user, bench.connections[user], "busy", _now_ms()))
    await bench.measure("status changes", PRESENCE_COMMANDS, busy)
    await bench.measure("close", PRESENCE_COMMANDS, bench.batches(close))
    bench.connections = {user: str(uuid.uuid4()) for user in bench.users}
    await bench.measure("connect, warm friends", PRESENCE_COMMANDS, bench.batches(connect))
    await bench.measure("close", PRESENCE_COMMANDS, bench.batches(close))


async def _ready() -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(READY_SECONDS):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{PORT}/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def main() -> None:
    """Start presence, measure, and stop it."""
    url = os.environ["CHAT_REDIS_URLS"]
    environment = {**os.environ, "CHAT_HTTP_PORT": str(PORT), "CHAT_JWT_SECRET": SECRET, "CHAT_LOG_LEVEL": "warning"}
    presence = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.presence", env=environment)
    supervisor = Supervisor()
    publisher = Publisher(SecretStr(os.environ["CHAT_AMQP_URL"]), "bench", QUEUES)
    supervisor.start("publisher", publisher.run())
    try:
        await _ready()
        bench = Bench(url, publisher, presence.pid)
        await bench.redis.client.flushdb()
        supervisor.start("listener", bench.listen(bench.redis.client))
        await bench.prepare()
        await _scenarios(bench)
    finally:
        presence.terminate()
        await presence.wait()
        await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(main())
