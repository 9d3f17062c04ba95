"""`chatctl` on the running system, as a person at a terminal uses it."""

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import redis.asyncio as redis

from shared.protocol import keys
from shared.protocol.closing import CloseCode
from tests.e2e.conftest import Pair
from tests.support.forks import PipedFork
from tests.support.people import People
from tests.support.platform import Platform
from tests.support.stack import Stack
from tests.support.uploads import File, fetch, upload

SECONDS = 90


def environment(stack: Stack) -> dict[str, str]:
    """What names the system to the command."""
    return {
        **os.environ,
        "CHAT_URL": stack.url,
        "CHAT_DATABASE_URL": stack.database_url,
        "CHAT_REDIS_URLS": stack.redis_url,
        "CHAT_AMQP_URL": stack.amqp_url,
        "CHAT_UPLOAD_STORE": stack.setting("CHAT_UPLOAD_STORE"),
    }


@asynccontextmanager
async def started(stack: Stack, *arguments: str, variables: dict[str, str] | None = None) -> AsyncIterator[PipedFork]:
    """`chatctl`, ended when the block is. `variables`: its environment, where it isn't the usual one."""
    process = await PipedFork.started("tools.chatctl", variables or environment(stack), *arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def chatctl(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error output of a command."""
    async with asyncio.timeout(SECONDS), started(stack, *arguments) as process:
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def spoil(stack: Stack, user_id: str) -> None:
    """Make the copy of a user's unread total wrong."""
    async with redis.Redis.from_url(stack.redis_url) as client:
        await client.set(keys.key(keys.UNREAD_TOTAL, user_id), 7)


async def test_a_sent_message_is_tailed(stack: Stack, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    async with asyncio.timeout(SECONDS), started(stack, "tail", bob.username, "--json") as tail:
        assert tail.stdout is not None
        assert json.loads(await tail.stdout.readline())["type"] == "connection.success"
        status, out, err = await chatctl(stack, "send", "--as", alice.username, bob.username, "Hello there!", "--json")
        assert status == 0, err
        while (event := json.loads(await tail.stdout.readline()))["type"] != "message.new":
            pass
    assert event["payload"]["message"]["content"] == "Hello there!"
    assert event["payload"]["message"]["id"] == json.loads(out)["id"]


async def test_a_receiver_who_never_connected_is_registered(stack: Stack, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    status, out, err = await chatctl(stack, "send", "--as", alice.username, bob.username, "Hello there!")
    assert status == 0, err
    assert "stored as number 1" in out


async def test_a_wrong_copy_of_unread_counts_is_found_and_repaired(stack: Stack, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    assert (await chatctl(stack, "send", "--as", alice.username, bob.username, "one"))[0] == 0
    status, err = 0, ""
    async with asyncio.timeout(SECONDS):
        # Messaging samples users, and may have repaired this one before the command looks.
        while status == 0:
            await spoil(stack, bob.id)
            status, _, err = await chatctl(stack, "unread", bob.username)
    assert status == 1
    assert "--repair" in err
    assert (await chatctl(stack, "unread", bob.username, "--repair"))[0] == 0
    status, out, _ = await chatctl(stack, "unread", bob.username, "--json")
    assert status == 0
    assert json.loads(out)[0] == {"conversation": "total", "stored": 1, "copied": 1}


async def test_a_revoked_user_is_disconnected(stack: Stack, people: People) -> None:
    alice = people.make("alice")
    socket = await alice.connect()
    status, _, err = await chatctl(stack, "revoke", alice.id)
    assert status == 0, err
    assert await socket.closed() == CloseCode.TOKEN_EXPIRED


async def test_dead_letters_are_listed(stack: Stack) -> None:
    status, out, err = await chatctl(stack, "dead-letters", "list")
    assert status == 0, err
    assert "messaging.commands.dead" in out


async def test_media_says_what_uploads_take_and_deletes_what_nobody_needs(stack: Stack, pair: Pair) -> None:
    media = await upload(pair.alice, pair.conversation, File(b"only text", "a.txt", "text/plain"))
    status, output, _ = await chatctl(stack, "media", "usage", "--json")
    assert status == 0
    assert {"state", "uploads", "bytes"} == json.loads(output)[0].keys()
    status, output, _ = await chatctl(stack, "media", "orphans", "--json")
    assert media["uploadId"] in {row["id"] for row in json.loads(output)["uploads"]}

    folder = Path(stack.setting("CHAT_UPLOAD_STORE").removeprefix("file://")) / "objects" / str(uuid.uuid4())
    folder.mkdir()
    (folder / "file").write_bytes(b"of a database that is gone")
    yesterday = time.time() - 100_000
    os.utime(folder / "file", (yesterday, yesterday))
    for arguments, stays in ((("media", "sweep"), True), (("media", "sweep", "--unknown"), False)):
        status, output, _ = await chatctl(stack, *arguments)
        assert status == 0, output
        assert (folder / "file").exists() is stays
    assert (await fetch(media["url"])).status_code == 200


async def test_calls_of_the_server_api_are_listed(stack: Stack) -> None:
    user = await Platform(stack.admin_url).make_user("audited")
    status, out, err = await chatctl(stack, "audit", "--about", user["id"])
    assert status == 0, err
    assert "200" in out


async def test_dead_webhooks_are_listed_replayed_and_dropped(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(
            "INSERT INTO webhooks.events (endpoint, order_key, type, at, data, dead_at, last_error) "
            "VALUES ('http://nobody.invalid/', 'x', 'user.online', now(), '{}', now(), '[oops] [/b]')"
        )
        status, out, err = await chatctl(stack, "webhooks", "list")
        assert status == 0, err
        assert "dead letters: 1" in out
        assert "[oops]" in out
        assert (await chatctl(stack, "webhooks", "replay"))[0] == 0
        query = "SELECT dead_at IS NULL FROM webhooks.events WHERE endpoint = 'http://nobody.invalid/'"
        assert await connection.fetchval(query) is True
        await connection.execute("UPDATE webhooks.events SET dead_at = now() WHERE order_key = 'x'")
        assert (await chatctl(stack, "webhooks", "drop", "--yes"))[0] == 0
        assert await connection.fetchval(query) is None
        for endpoint in ("http://nobody.invalid/", "http://nobody.invalid/2"):
            await connection.execute(
                "INSERT INTO webhooks.events (endpoint, order_key, type, at, data) SELECT $1, 'x', 'y', now(), '{}' "
                "FROM generate_series(1, 10001)",
                endpoint,
            )
        status, out, err = await chatctl(stack, "webhooks", "forget", "http://nobody.invalid/", "--yes")
        assert (status, out.strip()) == (0, "10001 forgotten"), err
        query = "SELECT endpoint, count(*) FROM webhooks.events WHERE order_key = 'x' GROUP BY endpoint"
        assert [tuple(row) for row in await connection.fetch(query)] == [("http://nobody.invalid/2", 10_001)]
        await connection.execute("DELETE FROM webhooks.events WHERE order_key = 'x'")
    finally:
        await connection.close()
