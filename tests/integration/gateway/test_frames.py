"""Valid, invalid, slow and hostile clients at a socket (docs/protocol.md, «Limits and close codes»)."""

import asyncio
import json
import re
import socket as sockets
import struct
import time

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError
from websockets.frames import Frame, Opcode

from services.gateway.transport import upgrade
from services.gateway.transport.http_protocol import listen
from shared.auth.revocations import Revocations
from shared.protocol import limits, relay, server
from shared.protocol.topology import PRESENCE_COMMANDS
from tests.support.gateway import SECONDS, Backend, RunningGateway, StartGateway, connection_id, identity, until
from tests.support.sockets import RawSocket
from tests.support.tcp import Tcp, raw, upgrade_request
from tools.devtoken import mint

BIG = json.dumps({"type": "message.new", "payload": {"filler": "x" * 60_000}})


PING = json.dumps({"type": "ping", "payload": {"timestamp": "é" * 20}}, ensure_ascii=False).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_frames_may_come_in_any_segments(gateway: RunningGateway, alice: str, size: int) -> None:
    client = await Tcp.connect(gateway, alice)
    stream = Frame(Opcode.TEXT, PING).serialize(mask=True) * 3
    for begin in range(0, len(stream), size):
        client.writer.write(stream[begin : begin + size])
        await asyncio.sleep(0)
    for _ in range(3):
        assert json.loads((await client.frame())[1])["type"] == "pong"
    client.abort()


async def test_a_message_in_fragments_with_a_ping_between(gateway: RunningGateway, alice: str) -> None:
    client = await Tcp.connect(gateway, alice)
    cut = PING.index("é".encode()) + 1
    client.send(Opcode.TEXT, PING[:cut], fin=False)
    client.send(Opcode.PING, b"between")
    client.send(Opcode.CONT, PING[cut:])
    client.send(Opcode.TEXT, PING)
    assert await client.frame() == (Opcode.PONG, b"between")
    for _ in range(2):
        assert json.loads((await client.frame())[1])["payload"]["echo"] == "é" * 20
    client.abort()


@pytest.mark.parametrize(
    "parts", [[b"\xff\xfe"], [b'{"type":"pi', b'ng\xc3("}'], [b"\xf4\x90\x80\x80"], [b"\xed\xa0\x80"]]
)
async def test_text_that_is_not_utf8_closes_with_1007(gateway: RunningGateway, alice: str, parts: list[bytes]) -> None:
    client = await Tcp.connect(gateway, alice)
    for place, part in enumerate(parts):
        client.send(Opcode.CONT if place else Opcode.TEXT, part, fin=place == len(parts) - 1)
    assert await client.close_code() == 1007
    client.abort()


async def test_a_close_frame_between_fragments_is_a_clean_close(gateway: RunningGateway, alice: str) -> None:
    client = await Tcp.connect(gateway, alice)
    client.send(Opcode.TEXT, b"part", fin=False)
    client.send(Opcode.CLOSE, struct.pack("!H", 1000))
    assert await client.close_code() == 1000
    client.abort()


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x02hi",
        b"\xc1\x80aaaa",
        b"\x83\x80aaaa",
        b"\x89\xfe\x00\x7eaaaa" + b"x" * 126,
        b"\x80\x80aaaa",
        b"\x09\x80aaaa",
    ],
    ids=["unmasked", "reserved bit", "reserved opcode", "long ping", "stray continuation", "fragmented ping"],
)
async def test_broken_frames_close_with_1002(gateway: RunningGateway, alice: str, data: bytes) -> None:
    client = await Tcp.connect(gateway, alice)
    client.writer.write(data)
    assert await client.close_code() == 1002
    client.abort()
    await until(lambda: not len(gateway.process.hub))


@pytest.mark.parametrize(("limit", "code"), [(100, 1009), (0, None)])
async def test_an_operator_says_how_large_a_frame_may_be(
    start_gateway: StartGateway, alice: str, limit: int, code: int | None
) -> None:
    gateway = await start_gateway(max_frame_bytes=limit)
    size = limits.MAX_FRAME_BYTES + 1 if limit == 0 else limit + 1
    socket = await gateway.connect(alice)
    await socket.send("no.such.event", filler="x" * size)
    if code is None:
        await socket.expect_error("unknown_event")
    else:
        assert await socket.closed() == code


@pytest.mark.parametrize("fragments", [1, 2])
async def test_a_message_over_the_limit_closes_with_1009(gateway: RunningGateway, alice: str, fragments: int) -> None:
    client = await Tcp.connect(gateway, alice)
    part = b"x" * (limits.MAX_FRAME_BYTES // fragments + 1)
    for place in range(fragments):
        client.send(Opcode.CONT if place else Opcode.TEXT, part, fin=place == fragments - 1)
    assert await client.close_code() == 1009
    client.abort()


async def test_the_largest_message_passes(gateway: RunningGateway, alice: str) -> None:
    socket = await gateway.connect(alice)
    text = json.dumps({"type": "ping", "payload": {"timestamp": 1}, "filler": ""})
    await socket.send_text(text[:-2] + "x" * (limits.MAX_FRAME_BYTES - len(text)) + text[-2:])
    await socket.expect("pong")


async def test_binary_frames_are_answered(gateway: RunningGateway, alice: str) -> None:
    socket = await gateway.connect(alice)
    await socket.send_bytes(PING)
    error = await socket.expect_error("validation_error")
    assert "ref" not in error


async def test_twenty_bad_frames_in_a_row_close_with_1008(gateway: RunningGateway, alice: str) -> None:
    socket = await gateway.connect(alice)
    for number in range(limits.MAX_BAD_FRAMES_IN_A_ROW):
        await (socket.send_bytes(b"x") if number % 2 else socket.send_text("{"))
    assert await socket.closed() == 1008
    assert len(socket.of_type("error")) == limits.MAX_BAD_FRAMES_IN_A_ROW


async def test_a_flood_of_pings_is_cut_off_and_buffers_nothing(gateway: RunningGateway, alice: str) -> None:
    client = await Tcp.connect(gateway, alice)
    client.stop_reading()
    for _ in range(5000):
        client.send(Opcode.PING, b"x" * 100)
    await until(lambda: not len(gateway.process.hub))
    client.abort()


async def test_a_client_that_stops_reading_is_dropped_and_its_socket_goes(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.session.heartbeat.WRITE_SECONDS", 0.5)
    monkeypatch.setattr(upgrade, "CLOSE_SECONDS", 0.3)
    client, other = await Tcp.connect(gateway, alice), await gateway.connect(bob)
    client.stop_reading()
    await fill(gateway, behind, alice)
    deliveries = [await behind.append(identity(alice)) for _ in range(limits.SEND_BUFFER_EVENTS + 1)]
    await behind.publish(gateway, durable_events=deliveries)
    await until(lambda: not gateway.process.hub.of_user(identity(alice)))
    await until(lambda: len(gateway.server.server_state.connections) == 1)
    await other.send("ping")
    await other.expect("pong")
    client.abort()


async def fill(gateway: RunningGateway, behind: Backend, username: str) -> list[str]:
    """Send events to a client that doesn't read, until the transport takes no more; returns their texts."""
    held = gateway.process.hub.of_user(identity(username))[0]
    sent: list[str] = []
    while held.paused_at is None:
        delivery = await behind.append(identity(username), text=BIG)
        await behind.publish(gateway, durable_events=[delivery])
        sent.append(delivery.json)
    return sent


async def test_a_slow_client_loses_typing_first_and_nothing_else(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    client = await Tcp.connect(gateway, alice)
    client.stop_reading()
    expected = await fill(gateway, behind, alice)
    typing = relay.TransientEvent([identity(alice)], '{"type":"typing.stop","payload":{}}')
    gateway.process.hub.of_user(identity(alice))[0].release_transients()
    await behind.publish(gateway, transient_events=[typing] * 1000)
    deliveries = [await behind.append(identity(alice)) for _ in range(limits.SEND_BUFFER_EVENTS - 10)]
    await behind.publish(gateway, durable_events=deliveries)
    expected += [delivery.json for delivery in deliveries]
    last = deliveries[-1].offset
    await until(lambda: gateway.process.hub.of_user(identity(alice))[0].inbox.offset == last)
    client.resume_reading()
    texts: list[str] = []
    typed = 0
    while len(texts) < len(expected):
        text = (await client.frame())[1].decode()
        if "cursor" in text:
            texts.append(text)
        else:
            typed += 1
    assert texts == expected
    assert typed < 1000
    # What was shed may have been presence: it is asked for everything again.
    for _ in range(2):
        (connected,) = (await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)).commands
        assert isinstance(connected, relay.Connected)
    client.abort()


async def test_a_write_that_hangs_is_too_slow(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.session.heartbeat.WRITE_SECONDS", 0.3)
    monkeypatch.setattr(upgrade, "CLOSE_SECONDS", 0.3)
    client = await Tcp.connect(gateway, alice)
    client.stop_reading()
    await fill(gateway, behind, alice)
    await until(lambda: not gateway.server.server_state.connections)
    client.abort()


async def test_no_pong_in_time_closes_with_4410_and_the_socket_goes(
    start_gateway: StartGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "CLOSE_SECONDS", 0.3)
    gateway = await start_gateway(ping_seconds=0.5, pong_seconds=3)
    client = await Tcp.connect(gateway, alice)
    assert (await client.frame())[0] == Opcode.PING
    assert await client.close_code() == 4410
    await until(lambda: not gateway.server.server_state.connections)
    client.abort()


async def test_pongs_keep_a_connection(start_gateway: StartGateway, alice: str) -> None:
    """Each moves the deadline of the next one, so that no connection is closed who answers."""
    gateway = await start_gateway(ping_seconds=0.5, pong_seconds=SECONDS)
    client = await Tcp.connect(gateway, alice)
    (connection,) = gateway.process.hub
    for _ in range(2):
        before = connection.deadlines.pong_at
        opcode, payload = await client.frame()
        assert opcode == Opcode.PING
        assert connection.deadlines.pong_at == before
        client.send(Opcode.PONG, payload)
        await until(lambda before=before: connection.deadlines.pong_at > before)  # type: ignore[misc]
    client.abort()


async def test_the_last_moments_of_a_token(gateway: RunningGateway, alice: str) -> None:
    """Nobody sends `status.bulk` here: it is waited for, but not for ever."""
    socket = await gateway.connect(alice, token=mint(alice, lifetime_seconds=30))
    await socket.expect("auth.expiring")
    (connection,) = gateway.process.hub
    connection.deadlines.expires_at = time.time() + 1
    gateway.process.dispatcher.heartbeat.plan(connection)
    assert await socket.closed() == 4401


async def test_a_token_that_lasts(gateway: RunningGateway, alice: str) -> None:
    socket = await gateway.connect(alice, token=mint(alice, exp=9_999_999_999))
    assert socket.of_type("connection.success")[0]["payload"]["expiresAt"] == "2286-11-20T17:46:39.000Z"
    await socket.refute("auth.expiring", within=0.5)


async def test_the_end_of_a_token_is_announced_after_the_statuses(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket = await gateway.connect(alice, token=mint(alice, lifetime_seconds=30))
    await socket.refute("auth.expiring", within=0.6)
    bulk = '{"type":"status.bulk","payload":{"users":[]}}'
    await behind.publish(gateway, connection_events=[relay.ConnectionEvent(connection_id(socket), bulk, 1)])
    await socket.expect("auth.expiring", timeout=15)
    assert [event["type"] for event in socket.events] == ["connection.success", "status.bulk", "auth.expiring"]


async def test_a_new_token_replaces_the_old_one(gateway: RunningGateway, alice: str, bob: str) -> None:
    socket = await gateway.connect(alice, token=mint(alice, lifetime_seconds=30))
    await socket.expect("auth.expiring")
    for wrong in (mint(bob), "nonsense", mint(alice, lifetime_seconds=-60), mint(alice, lifetime_seconds=-2)):
        await socket.send("auth.refresh", token=wrong)
        await socket.expect_error("unauthorized", type="auth.refresh")
    await socket.send("auth.refresh", token=mint(alice, lifetime_seconds=3600))
    await socket.expect("auth.refreshed")
    (connection,) = gateway.process.hub
    assert connection.deadlines.expires_at > time.time() + 3000
    await socket.refute("auth.expiring", within=0.5)
    await socket.send("ping")
    await socket.expect("pong")


async def test_a_fault_of_ours_is_named_and_the_connection_stays(
    gateway: RunningGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "Pong", None)
    socket = await gateway.connect(alice)
    await socket.send("ping")
    error = await socket.expect_error("internal_error")
    assert error["error"]["message"].startswith("Internal error ")
    assert error["error"]["retryable"] is True
    monkeypatch.undo()
    await socket.send("ping")
    await socket.expect("pong")


async def test_a_token_that_could_not_be_checked_is_refused_with_the_id_of_the_log_line(
    gateway: RunningGateway, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise RedisConnectionError("away")

    socket = await gateway.connect(alice)
    monkeypatch.setattr(Revocations, "check", away)
    await socket.send("auth.refresh", token=mint(alice))
    error = await socket.expect_error("internal_error", type="auth.refresh")
    assert re.fullmatch("Internal error [0-9a-f]{32}", error["error"]["message"])


async def test_unacknowledged_data_ends_a_connection() -> None:
    listening = listen("127.0.0.1", 0)
    with listening, sockets.create_connection(listening.getsockname()):
        accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
        with accepted:
            assert accepted.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT) == 25_000


async def test_who_leaves_during_the_handshake_leaves_nothing(gateway: RunningGateway, alice: str) -> None:
    for _ in range(20):
        _, writer = await raw(gateway)
        writer.write(upgrade_request("/chat/ws", f"Authorization: Bearer {mint(alice)}"))
        await writer.drain()
        writer.transport.abort()
    assert isinstance(await gateway.connect(alice), RawSocket)
    await until(lambda: len(gateway.process.hub) == 1)
    await until(lambda: len(gateway.server.server_state.connections) == 1)


async def test_a_close_code_that_a_client_made_up_is_no_label(gateway: RunningGateway, alice: str) -> None:
    """There are two thousand of them, and each label is a time series."""

    def closes(code: str) -> float:
        return REGISTRY.get_sample_value("chat_gateway_closes_total", {"code": code}) or 0

    before = closes("other")
    socket = await gateway.connect(alice)
    await socket.close(3999)
    await until(lambda: closes("other") == before + 1)
    assert not closes("3999")
