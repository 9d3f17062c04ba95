"""Clients that send more than they may: nobody else waits, and memory stays bounded."""

import asyncio
import json
import socket

import pytest
from websockets.frames import Opcode

from services.gateway.session.rules import MAX_REFUSALS
from services.gateway.transport import http_protocol, reading, websocket_protocol
from services.gateway.uplink import batches
from tests.support.gateway import RunningGateway, identity, until
from tests.support.tcp import Tcp

PING = json.dumps({"type": "ping", "payload": {"timestamp": "flood"}}).encode()
LAST = json.dumps({"type": "ping", "payload": {"timestamp": "last"}}).encode()


def protocol_of(gateway: RunningGateway, username: str) -> websocket_protocol.GatewayProtocol:
    found = gateway.process.hub.of_user(identity(username))[0]._protocol
    assert found is not None
    return found


async def answer_to_last(client: Tcp) -> None:
    """Read until the pong of `LAST`, which is sent again when it was refused: what was sent before it counts against its rate."""
    refused = False

    async def repeat() -> None:
        nonlocal refused
        while True:
            await asyncio.sleep(0.3)
            if refused:
                refused = False
                client.send(Opcode.TEXT, LAST)

    repeating = asyncio.create_task(repeat())
    try:
        while (event := json.loads((await client.frame())[1])).get("payload", {}).get("echo") != "last":
            refused = refused or event["type"] == "error"
    finally:
        repeating.cancel()


async def test_who_sends_what_is_refused_is_not_read_for_a_while(
    gateway: RunningGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READING_PAUSE_SECONDS", 0.3)
    client = await Tcp.connect(gateway, alice)
    is_reading = protocol_of(gateway, alice).transport.is_reading
    for _ in range(60 + MAX_REFUSALS):
        client.send(Opcode.TEXT, PING)
    for _ in range(60 + MAX_REFUSALS):
        await client.frame()
    assert is_reading()
    # More than are answered in one second, also when another second begins among them.
    for _ in range(2 * MAX_REFUSALS + 60):
        client.send(Opcode.TEXT, PING)
    await until(lambda: not is_reading())
    client.send(Opcode.TEXT, LAST)
    await until(is_reading)
    await answer_to_last(client)
    client.abort()


async def test_who_sends_more_than_can_wait_is_not_read_for_a_while(
    gateway: RunningGateway, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READING_PAUSE_SECONDS", 0.3)
    client = await Tcp.connect(gateway, alice)
    is_reading = protocol_of(gateway, alice).transport.is_reading
    payload = {"conversationId": conversation, "type": "text", "content": "x"}
    for _ in range(3 * batches.MAX_WAITING + MAX_REFUSALS):
        client.send(Opcode.TEXT, json.dumps({"type": "message.send", "payload": payload}).encode())
    client.send(Opcode.TEXT, LAST)
    await until(lambda: not is_reading())
    await until(is_reading)
    await answer_to_last(client)
    client.abort()


async def test_the_kernel_keeps_little_of_what_is_not_read(gateway: RunningGateway, alice: str) -> None:
    client = await Tcp.connect(gateway, alice)
    accepted = protocol_of(gateway, alice).transport.get_extra_info("socket")
    room = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    # Linux doubles it, for its own records.
    assert room == 2 * http_protocol.UNREAD_BYTES
    client.abort()


async def test_fragments_without_end_take_no_memory(
    gateway: RunningGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "READING_PAUSE_SECONDS", 0.05)
    client = await Tcp.connect(gateway, alice)
    held = protocol_of(gateway, alice)
    rested, kept = False, 0

    def watch() -> bool:
        nonlocal rested, kept
        rested = rested or not held.transport.is_reading()
        kept = max(kept, len(held.frames))
        return held.frames == []

    client.send(Opcode.TEXT, LAST[:5], fin=False)
    await until(lambda: held.frames)
    for _ in range(5 * websocket_protocol.MAX_PARTS):
        client.send(Opcode.CONT, b"", fin=False)
    client.send(Opcode.CONT, LAST[5:])
    await until(watch)
    assert rested
    assert 1 < kept <= websocket_protocol.MAX_PARTS
    await answer_to_last(client)
    client.abort()
