"""Clients that read slowly get everything on one connection; what waits for them takes bounded memory."""

import asyncio
import json
from itertools import count
from typing import cast

import pytest

from services.gateway.session.inbox_position import MAX_HELD
from services.gateway.transport.send_buffer import HIGH_WATER_BYTES
from shared.protocol import keys, limits, relay
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, identity, until
from tests.support.tcp import Tcp

FILLER = "x" * 8_000


def numbered_event(number: int) -> str:
    return json.dumps({"type": "message.new", "payload": {"number": number, "filler": FILLER}})


async def missed_events(gateway: RunningGateway, behind: Backend, username: str, events: int) -> tuple[str, list[str]]:
    """A cursor, and the events that came after it."""
    socket = await gateway.connect(username)
    cursor = str(socket.of_type("connection.success")[0]["payload"]["cursor"])
    await socket.close()
    texts = []
    for number in range(events):
        delivery = await behind.append(identity(username), text=numbered_event(number))
        texts.append(delivery.json)
    return cursor, texts


def waiting_bytes(gateway: RunningGateway, username: str) -> int:
    """What the gateway's process holds for the user's first connection."""
    (connection, *_) = gateway.process.hub.of_user(identity(username))
    protocol = connection._protocol
    if protocol is None:
        return 0
    held = sum(len(delivery.text) for delivery in connection.inbox.held or ())
    return protocol.transport.get_write_buffer_size() + protocol.send_buffer._backlog_bytes + held


async def test_a_slow_reader_gets_its_whole_replay_on_one_connection(
    start_gateway: StartGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than a client may take nothing, and than a pong may take."""
    monkeypatch.setattr("services.gateway.session.heartbeat.WRITE_SECONDS", 3.0)
    gateway = await start_gateway(ping_seconds=2.5, pong_seconds=3)
    cursor, expected = await missed_events(gateway, behind, alice, limits.INBOX_EVENTS - 1)
    client = await Tcp.connect(gateway, alice, cursor, receive_bytes=64 * 1024)
    got: list[str] = []
    most = 0
    for step in count():
        opcode, payload = await client.frame()
        if opcode == 1:
            got.append(payload.decode())
        if step % 4 == 0:
            most = max(most, waiting_bytes(gateway, alice))
            await asyncio.sleep(0.06)
        if step == 100:
            # Live events meanwhile: they come at their place.
            for number in range(3):
                expected.append(
                    (await behind.deliver([gateway], identity(alice), text=numbered_event(1_000 + number))).json
                )
        if len(got) >= len(expected):
            break
    assert got == expected
    assert most < 4 * HIGH_WATER_BYTES


async def test_live_events_beyond_the_buffer_follow_from_the_inbox(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    client = await Tcp.connect(gateway, alice)
    client.stop_reading()
    expected = []
    for start in range(0, 300, 50):
        deliveries = [await behind.append(identity(alice), text=numbered_event(start + place)) for place in range(50)]
        await behind.publish(gateway, durable_events=deliveries)
        expected += [delivery.json for delivery in deliveries]
    (connection,) = gateway.process.hub.of_user(identity(alice))
    await until(lambda: connection.inbox.behind)
    assert waiting_bytes(gateway, alice) < limits.SEND_BUFFER_BYTES + 4 * HIGH_WATER_BYTES
    client.resume_reading()
    got: list[str] = []
    while len(got) < len(expected):
        opcode, payload = await client.frame()
        if opcode == 1:
            got.append(payload.decode())
    assert got == expected
    await until(lambda: connection.inbox.held is None)
    live = await behind.deliver([gateway], identity(alice))
    assert (await client.frame())[1].decode() == live.json


async def test_deliveries_beyond_what_is_held_follow_from_the_inbox(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    """Redis is slow to answer while events come fast."""
    socket = await gateway.connect(alice)
    (connection,) = gateway.process.hub.of_user(identity(alice))
    connection.inbox.hold()
    deliveries = [await behind.append(identity(alice)) for _ in range(MAX_HELD + 10)]
    await behind.publish(gateway, durable_events=deliveries)
    await until(lambda: connection.inbox.behind)
    gateway.process.dispatcher.recovery.ask(connection)
    await until(lambda: len(socket.of_type("message.new")) >= len(deliveries))
    assert [one.text for one in socket.received[1:]] == [delivery.json for delivery in deliveries]


async def test_the_snapshot_of_friends_comes_after_the_replay(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    """What came in the middle of it is left out, and asked for again."""
    cursor, expected = await missed_events(gateway, behind, alice, 200)
    client = await Tcp.connect(gateway, alice, cursor, receive_bytes=64 * 1024)
    client.stop_reading()
    (connection,) = gateway.process.hub.of_user(identity(alice))
    await until(lambda: connection.inbox.behind)
    bulk = '{"type":"status.bulk","payload":{"users":[]}}'
    await behind.publish(gateway, connection_events=[relay.ConnectionEvent(connection.id, bulk, 1)])
    repeated: list[object] = []
    gateway.process.dispatcher.presence.repeat = repeated.extend  # type: ignore[method-assign,assignment]
    await asyncio.sleep(0)
    client.resume_reading()
    got: list[str] = []
    while len(got) < len(expected):
        opcode, payload = await client.frame()
        if opcode == 1:
            got.append(payload.decode())
    assert got == expected
    await until(lambda: repeated == [connection])


async def test_a_cursor_in_the_middle_of_a_replay_goes_on_there(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    """`connection.success` does not tell the end of a replay that has not come yet."""
    cursor, expected = await missed_events(gateway, behind, alice, 50)
    first = await gateway.connect(alice, cursor=cursor)
    assert first.of_type("connection.success")[0]["payload"]["cursor"] == cursor
    await until(lambda: len(first.of_type("message.new")) >= 10)
    middle = str(first.of_type("message.new")[9]["cursor"])
    second = await gateway.connect(alice, cursor=middle)
    await until(lambda: len(second.of_type("message.new")) >= 40)
    assert [one.text for one in second.received[1:]] == expected[10:]


@pytest.mark.parametrize("cursor", ["junk", "0-0", "1-1", "999999999999999999-9999999999"])
async def test_an_unknown_cursor_reads_nothing_of_the_inbox(
    gateway: RunningGateway, behind: Backend, alice: str, cursor: str
) -> None:
    await missed_events(gateway, behind, alice, 300)
    before = await ranges_read(behind)
    socket = await gateway.connect(alice, cursor=cursor)
    assert socket.of_type("connection.success")[0]["payload"]["recovered"] is False
    assert await ranges_read(behind) - before <= 1
    assert connection_id(socket)


async def ranges_read(behind: Backend) -> int:
    """How many ranges of streams Redis has read so far."""
    stats = await behind.redis.info("commandstats")
    return int(stats.get("cmdstat_xrange", {}).get("calls", 0))


async def test_a_gap_in_the_inbox_is_no_replay_at_all(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    """Even when it is beyond the first part."""
    cursor, _ = await missed_events(gateway, behind, alice, 60)
    inbox = keys.key(keys.INBOX, identity(alice))
    entries = [entry for entry, _ in cast("list[tuple[bytes, object]]", await behind.redis.xrange(inbox))]
    await behind.redis.xdel(inbox, entries[-5])
    socket = await gateway.connect(alice, cursor=cursor)
    assert socket.of_type("connection.success")[0]["payload"]["recovered"] is False
    assert socket.of_type("message.new") == []
    after = await gateway.connect(alice, cursor=entries[-4].decode())
    assert after.of_type("connection.success")[0]["payload"]["recovered"] is True
