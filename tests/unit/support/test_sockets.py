"""The bare socket sees everything, and fails with what it saw."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.sockets import RawSocket, contains, refused
from tests.unit.chat_client.scripted import Peer, ScriptedServer


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer().running() as running:
        yield running


async def connected(server: ScriptedServer) -> tuple[RawSocket, Peer]:
    socket = await RawSocket.connect(server.url, "token", cursor="c1")
    return socket, await server.accept()


async def test_it_shows_token_and_cursor(server: ScriptedServer) -> None:
    socket, peer = await connected(server)
    assert (peer.authorization, peer.query) == ("Bearer token", {"cursor": ["c1"]})
    await socket.close()


async def test_expect_takes_each_event_once_and_in_order(server: ScriptedServer) -> None:
    socket, peer = await connected(server)
    await peer.new(1, cursor="c2")
    await peer.new(2)
    assert (await socket.expect("message.new", message={"seq": 2}))["payload"]["message"]["seq"] == 2
    assert (await socket.expect("message.new"))["payload"]["message"]["seq"] == 1
    with pytest.raises(AssertionError, match=r"no .* in 0.05 s"):
        await socket.expect("message.new", timeout=0.05)
    assert socket.cursor == "c2"
    await socket.close()


async def test_refute_fails_when_it_comes(server: ScriptedServer) -> None:
    socket, peer = await connected(server)
    await socket.refute("message.new", within=0.02)
    await peer.new(1)
    with pytest.raises(AssertionError, match="unwanted"):
        await socket.refute("message.new", within=5)
    await socket.close()


async def test_closing_ends_an_expectation(server: ScriptedServer) -> None:
    socket, peer = await connected(server)
    waiting = asyncio.create_task(socket.expect("message.new"))
    await peer.close(4409)
    with pytest.raises(AssertionError, match="closed with 4409"):
        await waiting
    assert await socket.closed() == 4409


async def test_a_refusal_is_read(server: ScriptedServer) -> None:
    server.refusals = [(503, {"Retry-After": "3"})]
    answer = await refused(server.url, "token")
    assert (answer.status, answer.headers["retry-after"], answer.body["type"]) == (503, "3", "error")


def test_contains_looks_into_objects_only() -> None:
    assert contains({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}})
    assert not contains({"a": {"b": 1}}, {"a": {"b": None}})
    assert not contains({"a": [1, 2]}, {"a": [1]})
