"""`GatewayProtocol` under an application that attaches nothing: it stays a plain ASGI WebSocket."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from services.gateway.transport.http_protocol import HttpProtocol, listen
from services.gateway.transport.websocket_protocol import GatewayProtocol
from shared.lifecycle import Server
from tests.support.gateway import SECONDS, until


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Sends back what it gets."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "leave":
            await send({"type": "websocket.close", "code": 4000})
        else:
            await send({**message, "type": "websocket.send"})


@pytest.fixture
async def url() -> AsyncIterator[str]:
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        echo, http=HttpProtocol, ws=GatewayProtocol, ws_ping_interval=None, lifespan="off", log_config=None
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    await until(lambda: server.started)
    yield f"ws://127.0.0.1:{listening.getsockname()[1]}/"
    server.stop()
    await serving


async def test_text_and_binary_and_fragments(url: str) -> None:
    async with connect(url, proxy=None) as client:
        for data in ("สวัสดี", b"\xff\x00", "x" * 300_000, ""):
            await client.send(data)
            assert await client.recv() == data
        await client.send(["in ", "two ", "parts"])
        assert await client.recv() == "in two parts"


async def test_pings_are_answered(url: str) -> None:
    async with connect(url, proxy=None) as client:
        await asyncio.wait_for(await client.ping(b"x"), SECONDS)


async def test_either_side_may_close(url: str) -> None:
    async with connect(url, proxy=None) as client:
        await client.send("leave")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 4000
    async with connect(url, proxy=None) as client:
        await client.close(4001)
        assert client.close_code == 4001


async def test_an_application_that_answers_a_broken_peer_is_no_error(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for broken in (b"\x83\x80aaaa", Frame(Opcode.TEXT, b"\xff").serialize(mask=True)):
            client = await connect(url, proxy=None)
            whole = Frame(Opcode.TEXT, b"x").serialize(mask=True)
            client.transport.write(whole * 3 + broken)
            await client.wait_closed()
            assert client.close_code in {1002, 1007}
    assert caplog.records == []
