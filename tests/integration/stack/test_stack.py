"""The local stack, driven as people and CI drive it: by its commands, `stack.json`, and kill -9."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from tests.support.forks import launch
from tests.support.plain_http import plain_http
from tools.stack.errors import StackError
from tools.stack.home import ROOT, Home
from tools.stack.plan import PREFIX
from tools.stack.ports import free_port
from tools.stack.stack import Stack as LocalStack

COMMAND_SECONDS = 150
pytestmark = pytest.mark.timeout(2 * COMMAND_SECONDS)
SERVICES = ["gateway-1", "gateway-2", "messaging-1", "presence-1", "notifier-1", "devserver", "haproxy"]


@dataclass
class Commands:
    """The commands of the Makefile, on a home and a port of the test's own."""

    home: Path
    port: int

    async def run(self, command: str, **environment: str) -> str:
        """What the command wrote. Fails, showing that, when it fails."""
        status, output = await self.attempt(command, **environment)
        assert status == 0, output
        return output

    async def attempt(self, command: str, **environment: str) -> tuple[int, str]:
        """Exit status and output of a command."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.stack", command),
            cwd=ROOT,
            env={**self.environment(), **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(COMMAND_SECONDS):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def environment(self) -> dict[str, str]:
        """The test's own, without settings of the developer's or of the tests."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "PG"))}
        return {**ours, "STACK_HOME": str(self.home), "CHAT_PORT": str(self.port)}

    @property
    def document(self) -> dict[str, Any]:
        """The content of `stack.json`."""
        found: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return found

    @property
    def pids(self) -> dict[str, int]:
        """Name → id of every process."""
        return {process["name"]: process["pid"] for process in self.document["processes"]}

    def kill(self, name: str) -> None:
        """End a process without warning, and wait until it is gone."""
        process = psutil.Process(self.pids[name])
        process.kill()
        psutil.wait_procs([process], timeout=10)


@pytest.fixture(scope="module")
async def commands(server_folder: Path) -> AsyncIterator[Commands]:
    """A stack in the background, with the settings that a test of messages would choose."""
    commands = Commands(server_folder / "commands", free_port())
    try:
        await commands.run("up", CHAT_MESSAGES_PER_MINUTE="0")
        yield commands
    finally:
        await commands.run("down")


async def test_stack_json_tells_what_runs(commands: Commands) -> None:
    document = commands.document
    assert document["url"] == f"http://127.0.0.1:{commands.port}"
    assert set(document["backends"]) == {"database", "amqp", "redis"}
    assert set(SERVICES) | {"postgres", "rabbitmq", "redis"} <= set(commands.pids)
    for process in document["processes"]:
        assert set(process) == {"name", "pid", "port"}
        assert psutil.pid_exists(process["pid"])
        assert process["port"] < 32768
    connection = await asyncpg.connect(document["backends"]["database"])
    await connection.close()
    async with await aio_pika.connect(document["backends"]["amqp"]):
        pass
    async with Redis.from_url(document["backends"]["redis"]) as client:
        assert await client.ping()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/chat/ws", 401),
        ("/chat/unread", 401),
        ("/chat/friends", 401),
        ("/chat/push/key", 401),
        ("/client/src/index.js", 200),
        ("/metrics", 404),
        ("/healthz", 404),
        ("/readyz", 404),
        ("/%72eadyz", 404),
    ],
)
async def test_every_path_has_its_owner(commands: Commands, path: str, status: int) -> None:
    async with plain_http(commands.document["url"]) as client:
        response = await client.get(path)
    assert response.status_code == status
    if status in {401, 404}:
        assert response.json()["type"] == "error"


async def test_a_second_up_says_that_all_is_well(commands: Commands) -> None:
    before = commands.pids
    assert "already running" in await commands.run("up")
    assert commands.pids == before


async def test_settings_reach_the_services_and_stay(commands: Commands) -> None:
    """Nobody has to repeat them to bring back a process that was killed."""
    output = await commands.run("up")
    assert "CHAT_MESSAGES_PER_MINUTE=0" in output
    for name in ("gateway-1", "messaging-1"):
        assert psutil.Process(commands.pids[name]).environ()["CHAT_MESSAGES_PER_MINUTE"] == "0"


@pytest.mark.parametrize("name", ["redis", "postgres", "rabbitmq", "gateway-2", "haproxy"])
async def test_what_was_killed_comes_back_alone_and_with_its_data(commands: Commands, name: str) -> None:
    urls = commands.document["backends"]
    await remember(urls, name)
    before = commands.pids
    commands.kill(name)
    await commands.run("up")
    after = commands.pids
    assert after[name] != before[name]
    assert {other: pid for other, pid in after.items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }
    assert commands.document["backends"] == urls
    assert await recall(urls) == name


async def test_more_gateways_join_without_a_restart_of_the_others(commands: Commands) -> None:
    before = commands.pids
    await commands.run("up", GATEWAYS="3")
    more = commands.pids
    assert set(more) - set(before) == {"gateway-3"}
    assert before.items() <= more.items()
    await commands.run("up", GATEWAYS="2")
    assert commands.pids == before


async def test_a_service_that_cannot_start_is_named_and_what_was_started_is_no_secret(
    commands: Commands, server_folder: Path
) -> None:
    begun = Commands(server_folder / "begun", free_port())
    urls = commands.document["backends"]
    given = {"CHAT_DATABASE_URL": urls["database"], "CHAT_AMQP_URL": urls["amqp"], "CHAT_JWT_SECRET": "short"}
    ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # Not by the command, whose nine services would import everything before they fail: as forks, they have done so.
    local = LocalStack(Home(begun.home), {**ours, "CHAT_PORT": str(begun.port), **given}, launch=launch)
    try:
        with pytest.raises(StackError) as failed:
            await local.up()
        said = str(failed.value)
        assert re.search(rf"^[a-z]+-\d .*\n.*{re.escape(str(begun.home / 'log'))}", said, re.MULTILINE)
        assert "CHAT_JWT_SECRET must have at least 32 bytes" in said
        status, output = await begun.attempt("status")
        assert status == 1
        assert "nothing runs" not in output
        assert re.search(r"^redis +\d+ +\d+ +ready$", output, re.MULTILINE)
    finally:
        await local.down()


async def test_a_taken_port_is_named(commands: Commands, server_folder: Path) -> None:
    other = Commands(server_folder / "other", commands.port)
    status, output = await other.attempt("up")
    assert status == 1
    assert f"port {commands.port} is taken" in output


async def test_down_leaves_no_process_and_a_start_in_the_foreground_finds_the_data(commands: Commands) -> None:
    """The last one: afterwards nothing runs."""
    await remember(commands.document["backends"], "down")
    await commands.run("down")
    assert processes_of(commands.home) == []
    assert not (commands.home / "stack.json").exists()
    status, output = await commands.attempt("status")
    assert (status, output) == (1, "nothing runs; `make up` starts it\n")

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.stack", "run"),
        cwd=ROOT,
        env={**commands.environment(), "GATEWAYS": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said: list[str] = []
    async with asyncio.timeout(COMMAND_SECONDS):
        while "Ctrl-C" not in "".join(said[-1:]):
            said.append((await process.stdout.readline()).decode())
    assert any(f"http://127.0.0.1:{commands.port}" in line for line in said)
    assert any(line.startswith("alice: ey") for line in said)
    assert any(line.startswith("bob: ey") for line in said)
    assert await recall(commands.document["backends"]) == "down"

    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(COMMAND_SECONDS):
        await process.communicate()
    assert process.returncode == 0
    assert processes_of(commands.home) == []


async def remember(urls: dict[str, str], text: str) -> None:
    """Write `text` where each backend keeps what it must not lose."""
    connection = await asyncpg.connect(urls["database"])
    await connection.execute("CREATE TABLE IF NOT EXISTS remembered (text text)")
    await connection.execute("DELETE FROM remembered")
    await connection.execute("INSERT INTO remembered VALUES ($1)", text)
    await connection.close()
    async with Redis.from_url(urls["redis"]) as client:
        await client.set("remembered", text)
    async with await aio_pika.connect(urls["amqp"]) as broker:
        channel = await broker.channel()
        queue = await channel.declare_queue("remembered", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.purge()
        message = aio_pika.Message(text.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "remembered")


async def recall(urls: dict[str, str]) -> str:
    """What all backends remember."""
    connection = await asyncpg.connect(urls["database"])
    found = {await connection.fetchval("SELECT text FROM remembered")}
    await connection.close()
    async with Redis.from_url(urls["redis"], decode_responses=True) as client:
        found.add(await client.get("remembered"))
    async with await aio_pika.connect(urls["amqp"]) as broker:
        channel = await broker.channel()
        queue = await channel.get_queue("remembered")
        message = await queue.get()
        found.add(message.body.decode())
        await message.ack()
    assert len(found) == 1, found
    return str(found.pop())


def processes_of(home: Path) -> list[psutil.Process]:
    """The processes that were started for the stack in `home`."""
    return [process for process in psutil.process_iter() if belongs_to(process, home)]


def belongs_to(process: psutil.Process, home: Path) -> bool:
    """Whether a process was started for the stack in `home`."""
    try:
        return process.environ().get("STACK_HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
