"""PostgreSQL, RabbitMQ and Redis for a test session: private servers, started as `make run` does, and emptied between tests.

The system of the end-to-end tests and the tests of single services share PostgreSQL and RabbitMQ, but nothing in them: each
module of tests has a database of its own, and a virtual host that the system doesn't use. Redis, where all data is in one
place, they don't share.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

import aio_pika
import asyncpg
from redis.asyncio import Redis

from shared.protocol.topology import QUEUES
from tests.support.broker import empty_queues
from tests.support.forks import PipedFork
from tools.stack.backends import Backend
from tools.stack.docker import container_name
from tools.stack.home import ROOT, Home
from tools.stack.ladder import Source, program

TEMPLATE = "chat_template"
VIRTUAL_HOST = "tests"
REDIS_DATABASES = (0, 1)
"""The Redis databases that tests may use. Two of them stand for two partitions."""
SYSTEM_REDIS_DATABASE = "2"


def with_path(url: str, path: str) -> str:
    """`url` with another database or virtual host."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


@dataclass
class Backends:
    """The servers that fixtures provide. `database` is a server, on which databases are copied from a migrated one.

    `redis_client`: empties Redis for each test, so it is made only once.
    """

    database: str
    amqp: str
    redis: str
    redis_client: Redis

    @asynccontextmanager
    async def fresh_database(self) -> AsyncIterator[str]:
        """Create a migrated database for one test, return its URL, and drop it afterwards."""
        name = f"test_{uuid.uuid4().hex}"
        await execute(self.database, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            yield with_path(self.database, name)
        finally:
            await execute(self.database, f"DROP DATABASE {name} WITH (FORCE)")

    async def delete_queues(self) -> None:
        """Delete every queue of the topology with its messages."""
        connection = await aio_pika.connect(self.amqp)
        async with connection:
            channel = await connection.channel()
            for queue in QUEUES:
                await channel.queue_delete(queue.name)

    async def empty_queues(self) -> None:
        """Delete all messages, and have every queue declared. To delete and declare them again takes 0.25 s of CPU."""
        async with await aio_pika.connect(self.amqp) as connection:
            await empty_queues(await connection.channel(), QUEUES)

    async def flush_redis(self) -> None:
        """Empty Redis."""
        async with self.redis_client.pipeline(transaction=False) as pipe:
            for number in REDIS_DATABASES:
                pipe.execute_command("SELECT", number)
                pipe.flushdb()
            await pipe.execute()


async def execute(url: str, statement: str) -> None:
    """Run one statement."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def cheapen_sign_in(database: str) -> None:
    """Have PostgreSQL keep its account's password with one iteration instead of 4,096 (RFC 5802, RFC 7677).

    A client takes 2 ms of CPU for those each time it connects, which the tests and their services do some thousand times.
    """
    password, salt = unquote(urlsplit(database).password or "").encode(), os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))
    verifier = "SCRAM-SHA-256$1:{}${}:{}".format(*(base64.b64encode(key).decode() for key in keys))
    connection = await asyncpg.connect(database)
    await connection.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{verifier}'")
    await connection.close()


async def make_template(database: str, environment: Mapping[str, str]) -> None:
    """Migrate an empty database, to be copied: a copy takes 50 ms, the migrations a second."""
    await execute(database, f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
    await execute(database, f"CREATE DATABASE {TEMPLATE}")
    settings = {**environment, "CHAT_DATABASE_URL": with_path(database, TEMPLATE)}
    migrations = await PipedFork.started("migrations", settings)
    output, errors = await migrations.communicate()
    assert migrations.returncode == 0, (output + errors).decode(errors="replace")


async def make_virtual_host(home: Home, broker: Backend) -> str:
    """Return the URL of the tests' virtual host; or the given URL, when the broker was given."""
    if broker.source is Source.GIVEN:
        return broker.url
    server = broker.programs[-1]
    control: tuple[str, ...] = (program("rabbitmqctl"),)
    if broker.source is Source.DOCKER:
        control = (program("docker"), "exec", container_name(home, server.name), "rabbitmqctl")
    # One call instead of two: most of its time is the start of an Erlang machine.
    host, user = f'<<"{VIRTUAL_HOST}">>', '<<"guest">>'
    code = (
        f"rabbit_vhost:add({host}, {user}), "
        f'rabbit_auth_backend_internal:set_permissions({user}, {host}, <<".*">>, <<".*">>, <<".*">>, {user}).'
    )
    await run((*control, "eval", code), server.environment)
    return with_path(broker.url, VIRTUAL_HOST)


async def run(command: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Run a command to its end. If it fails, the test fails and shows the output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, f"{' '.join(command)}\n{output.decode(errors='replace')}"
