"""Looks for texts in everything that the system keeps: tables, Redis, queues, and the object store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import asyncpg
from aio_pika.exceptions import ChannelClosed
from redis.asyncio import Redis

from shared.protocol.topology import QUEUES
from tests.support.gateway import eventually
from tests.support.stack import Stack

_TABLES = """
    SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'admin')
"""


async def traces(stack: Stack, *needles: str) -> list[str]:
    """Where one of the texts is still found: `table`, `key`, `queue` or `object`, and its name."""
    found = await in_tables(stack.database_url, needles)
    found += await in_redis(stack.redis_url, needles)
    found += await in_queues(stack.amqp_url, needles)
    return found + in_store(stack, needles)


async def nothing_left(stack: Stack, *needles: str) -> None:
    """Wait until nothing holds one of the texts: a queue of delayed pushes and the sweep of objects take their time."""
    found: list[str] = []

    async def gone() -> bool:
        found[:] = await traces(stack, *needles)
        return not found

    try:
        await eventually(gone, seconds=90)
    except TimeoutError:
        raise AssertionError(found) from None


async def in_tables(database_url: str, needles: Sequence[str]) -> list[str]:
    """Tables whose rows hold one of the texts; except the audit log, which says who erased whom."""
    connection = await asyncpg.connect(database_url)
    try:
        found = []
        for (table,) in await connection.fetch(_TABLES):
            query = f"SELECT EXISTS (SELECT FROM {table} AS t, unnest($1::text[]) AS n WHERE strpos(t::text, n) > 0)"
            if await connection.fetchval(query, list(needles)):
                found.append(f"table {table}")
        return found
    finally:
        await connection.close()


async def in_redis(redis_url: str, needles: Sequence[str]) -> list[str]:
    """Keys whose name or value holds one of the texts. Values are read by type: a dump is compressed."""
    client = Redis.from_url(redis_url)
    try:
        return [
            f"key {key!r}"
            async for key in client.scan_iter(count=1000)
            if _holds(key, needles) or _holds(await _value(client, key), needles)
        ]
    finally:
        await client.aclose()


async def in_queues(amqp_url: str, needles: Sequence[str]) -> list[str]:
    """Queues with a message that holds one of the texts; all messages stay where they are."""
    found = []
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        for queue in QUEUES:
            channel = await connection.channel()
            try:
                declared = await channel.get_queue(queue.name)
            except ChannelClosed:
                continue
            while (message := await declared.get(fail=False)) is not None:
                if _holds(message.body, needles) or _holds(repr(message.headers).encode(), needles):
                    found.append(f"queue {queue.name}")
            # Messages that weren't acknowledged go back.
            await channel.close()
    return found


def in_store(stack: Stack, needles: Sequence[str]) -> list[str]:
    """Objects whose name or bytes hold one of the texts."""
    folder = Path(urlsplit(stack.setting("CHAT_UPLOAD_STORE", "media-1")).path)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [f"object {each}" for each in files if _holds(str(each).encode() + each.read_bytes(), needles)]


async def _value(client: "Redis", key: bytes) -> bytes:
    given: Any = client
    kind = bytes(await given.type(key)).decode()
    commands: dict[str, tuple[Any, ...]] = {
        "string": ("GET", key),
        "hash": ("HGETALL", key),
        "set": ("SMEMBERS", key),
        "zset": ("ZRANGE", key, 0, -1),
        "list": ("LRANGE", key, 0, -1),
        "stream": ("XRANGE", key, "-", "+"),
    }
    # "none": it expired since it was found.
    return repr(await given.execute_command(*commands[kind])).encode() if kind != "none" else b""


def _holds(value: bytes, needles: Sequence[str]) -> bool:
    return any(needle.encode() in value for needle in needles)
