"""`?cursor=`: every missed event, or none and `recovered: false`."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from services.gateway.downlink import link, recovery
from services.gateway.downlink.replay_pace import BYTES_A_SECOND, BYTES_AT_ONCE
from services.gateway.registry import connections
from services.gateway.registry.connections import ROUTE_SECONDS, ConnectionRegistry, RecoveryResult
from shared.protocol import keys, limits, relay
from shared.redis import open_partitions
from shared.redis.script_runner import ScriptRunner
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, eventually, identity, until
from tests.support.sockets import RawSocket, refused
from tools.devtoken import mint

TIMER_SECONDS = 0.01
"""The event loop's timers may be early by its clock's resolution."""


@asynccontextmanager
async def writes_refused(redis: Redis) -> AsyncIterator[None]:
    """Redis answers reads, and refuses writes: as when it can't save to its disk, or has no replica."""
    await redis.config_set("min-replicas-to-write", 1)
    try:
        yield
    finally:
        await redis.config_set("min-replicas-to-write", 0)


def recovered(socket: RawSocket) -> object:
    return socket.events[0]["payload"]["recovered"]


async def test_recovered_is_null_without_a_cursor(gateway: RunningGateway, alice: str) -> None:
    socket = await gateway.connect(alice)
    assert recovered(socket) is None
    assert socket.events[0]["payload"]["cursor"]


async def test_missed_events_come_after_connection_success_oldest_first_once(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket = await gateway.connect(alice)
    seen = await behind.deliver([gateway], identity(alice))
    await socket.expect("message.new")
    await socket.close()
    missed = [await behind.append(identity(alice)) for _ in range(20)]
    again = await gateway.connect(alice, cursor=socket.cursor)
    live = await behind.deliver([gateway], identity(alice))
    await until(lambda: len(again.events) >= 22)
    assert recovered(again) is True
    assert [one.text for one in again.received[1:]] == [one.json for one in (*missed, live)]
    assert seen.json not in [one.text for one in again.received]
    assert again.events[0]["payload"]["cursor"] == socket.cursor


async def test_no_gap_and_no_repeat_however_reconnecting_and_sending_interleave(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket = await gateway.connect(alice)
    expected: list[str] = []
    texts: list[str] = []
    for number in range(15):
        expected += [(await behind.deliver([gateway], identity(alice))).json for _ in range(3)]
        if number % 2:
            await socket.cut()
        else:
            await socket.close()
        texts += [str(one.text) for one in socket.received[1:]]
        socket = await gateway.connect(alice, cursor=socket.cursor)
        assert recovered(socket) is True
    await until(lambda: len(texts) + len(socket.received) - 1 >= len(expected))
    texts += [str(one.text) for one in socket.received[1:]]
    assert texts == expected


async def test_the_cursor_of_an_empty_inbox_serves(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    first = await gateway.connect(alice)
    await first.close()
    missed = await behind.append(identity(alice))
    again = await gateway.connect(alice, cursor=first.cursor)
    await until(lambda: len(again.events) >= 2)
    assert recovered(again) is True
    assert [one.text for one in again.received[1:]] == [missed.json]


async def test_blocked_peers_are_left_out(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    first = await gateway.connect(alice)
    await first.close()
    await behind.append(identity(alice), peer="eve")
    kept = await behind.append(identity(alice), peer="bob")
    await behind.append(identity(alice), peer="eve")
    await behind.redis.sadd(keys.key(keys.BLOCKED, identity(alice)), "eve")
    again = await gateway.connect(alice, cursor=first.cursor)
    live = await behind.deliver([gateway], identity(alice))
    await until(lambda: len(again.events) >= 3)
    assert recovered(again) is True
    assert [one.text for one in again.received[1:]] == [kept.json, live.json]


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "1-1", "0-0", "+", "-", "9" * 300, "999999999999999999-1", "12", "$", "1-1 ; DEL"]
)
async def test_a_cursor_that_is_not_ours(gateway: RunningGateway, behind: Backend, alice: str, cursor: str) -> None:
    await behind.append(identity(alice))
    socket = await gateway.connect(alice, cursor=cursor)
    assert recovered(socket) is False
    live = await behind.deliver([gateway], identity(alice))
    await socket.expect("message.new")
    assert [one.text for one in socket.received[1:]] == [live.json]


async def test_a_trimmed_inbox_recovers_nothing(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    first = await gateway.connect(alice)
    await first.close()
    for _ in range(5):
        await behind.append(identity(alice))
    await behind.redis.xtrim(keys.key(keys.INBOX, identity(alice)), maxlen=3, approximate=False)
    again = await gateway.connect(alice, cursor=first.cursor)
    assert recovered(again) is False
    assert len(again.events) == 1


async def test_an_inbox_with_a_hole_recovers_nothing(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    first = await gateway.connect(alice)
    await first.close()
    middle = [await behind.append(identity(alice)) for _ in range(3)][1]
    await behind.redis.xdel(keys.key(keys.INBOX, identity(alice)), f"{middle.offset}-{middle.tag}")
    again = await gateway.connect(alice, cursor=first.cursor)
    assert recovered(again) is False


async def test_an_inbox_that_lost_its_end_recovers_nothing(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    first = await gateway.connect(alice)
    await first.close()
    last = [await behind.append(identity(alice)) for _ in range(3)][-1]
    await behind.redis.xdel(keys.key(keys.INBOX, identity(alice)), f"{last.offset}-{last.tag}")
    again = await gateway.connect(alice, cursor=first.cursor)
    assert recovered(again) is False


async def test_an_inbox_made_anew_never_repeats_a_cursor(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    first = await gateway.connect(alice)
    await behind.redis.delete(keys.key(keys.INBOX, identity(alice)), keys.key(keys.INBOX_OFFSET, identity(alice)))
    second = await gateway.connect(alice, cursor=first.cursor)
    assert recovered(second) is False
    assert second.cursor != first.cursor


async def test_events_between_route_and_reading_come_once(
    gateway: RunningGateway, behind: Backend, redis_url: str, alice: str
) -> None:
    """The route exists before the inbox is read: what is published then is held, and dropped if it was read too."""
    other = await gateway.connect(alice)
    missed = await behind.append(identity(alice))
    partitions = open_partitions(redis_url)
    registry = ConnectionRegistry(partitions, gateway.id)
    found = await registry.resume([(identity(alice), "c", str(other.cursor))])
    assert [text.decode() for text in found[0].events] == [missed.json]
    await behind.publish(gateway, durable_events=[missed])
    await other.expect("message.new")
    await behind.publish(gateway, durable_events=[missed])
    live = await behind.deliver([gateway], identity(alice))
    await until(lambda: len(other.events) >= 3)
    assert [one.text for one in other.received[1:]] == [missed.json, live.json]
    await partitions.aclose()


async def test_a_redis_that_refuses_writes_ends_nothing(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "RETRY_SECONDS", 0.01)
    leaves, stays = await gateway.connect(alice), await gateway.connect(bob)
    async with writes_refused(behind.redis):
        await leaves.close()
        await behind.publish(gateway, durable_events=[relay.DurableEvent(identity(alice), 1, False, "{", "77")])
        assert (await refused(gateway.url, mint(alice))).status == 503
        await until(gateway.process.idle)
    await stays.close()

    async def gone() -> bool:
        return not await behind.routes(identity(bob))

    await eventually(gone)
    await behind.redis.hset(keys.key(keys.ROUTES, identity(bob)), "0190", gateway.id)
    await behind.publish(gateway, durable_events=[relay.DurableEvent(identity(bob), 1, False, "{", "77")])
    await eventually(gone)


async def test_what_is_missed_while_opening_comes_too(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link was cut when the inbox had been read, and the connection wasn't open yet."""
    process = gateway.process
    missed: list[str] = []

    async def cut_meanwhile(*_: object) -> None:
        missed.append((await behind.append(identity(alice))).json)
        process.dispatcher.recovery.ask_all(0)

    monkeypatch.setattr(process.user_registration, "register", cut_meanwhile)
    socket = await gateway.connect(alice)
    await socket.expect("message.new")
    assert [one.text for one in socket.received[1:]] == missed


async def test_what_is_published_while_opening_waits(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the inbox was read, and before the first frame."""
    hub, recover = gateway.process.hub, gateway.process.dispatcher.recovery
    expected: list[str] = []
    missing: list[object] = []

    async def publish_meanwhile(*_: object) -> None:
        expected.append((await behind.deliver([gateway], identity(alice))).json)
        (connection,) = hub.of_user(identity(alice))
        await until(lambda: connection.inbox.held)

    with monkeypatch.context() as patch:
        patch.setattr(gateway.process.user_registration, "register", publish_meanwhile)
        patch.setattr(recover, "ask", missing.append)
        socket = await gateway.connect(alice)
        expected.append((await behind.deliver([gateway], identity(alice))).json)
        await until(lambda: len(socket.events) > len(expected))
    assert [one.text for one in socket.received[1:]] == expected
    assert missing == []


async def test_what_is_published_while_the_inbox_is_read_comes_once(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for what is read, and is dropped when it was read too."""
    socket = await gateway.connect(alice)
    registry = gateway.process.dispatcher.registry
    resume, expected = registry.resume, [(await behind.append(identity(alice))).json]
    mark = '{"type":"error","error":{"code":"internal_error","message":"mark"}}'

    async def publish_before(items: Sequence[tuple[str, str, str]]) -> list[RecoveryResult]:
        expected.append((await behind.deliver([gateway], identity(alice))).json)
        await behind.publish(gateway, connection_events=[relay.ConnectionEvent(connection_id(socket), mark)])
        await socket.expect_error("internal_error")
        return await resume(items)

    monkeypatch.setattr(registry, "resume", publish_before)
    gateway.process.dispatcher.recovery.ask_all(0)
    await until(lambda: len(socket.of_type("message.new")) >= 2)
    live = await behind.deliver([gateway], identity(alice))
    await until(lambda: live.json in [one.text for one in socket.received])
    assert [one.text for one in socket.received if "message.new" in one.text] == [*expected, live.json]


async def test_a_user_who_has_read_much_reads_on_later_and_misses_nothing(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str
) -> None:
    """Others don't wait; live events that come meanwhile keep their place."""
    socket, other = await gateway.connect(alice), await gateway.connect(bob)
    process = gateway.process
    read_bytes = BYTES_AT_ONCE + BYTES_A_SECOND
    process.dispatcher.recovery.pace.count(identity(alice), read_bytes, began := time.monotonic())
    expected = [(await behind.append(identity(alice))).json for _ in range(3)]
    process.dispatcher.recovery.ask_all(0)
    theirs = await behind.deliver([gateway], identity(bob))
    await other.expect("message.new")
    expected.append((await behind.deliver([gateway], identity(alice))).json)
    await until(lambda: len(socket.of_type("message.new")) >= len(expected))
    assert time.monotonic() - began >= 1 - TIMER_SECONDS
    assert [one.text for one in socket.received if "message.new" in one.text] == expected
    assert [one.text for one in other.received if "message.new" in one.text] == [theirs.json]


def large() -> str:
    """An event of 24 KB: three fill a part."""
    return json.dumps(
        {"type": "message.new", "payload": {"message": {"id": str(uuid.uuid4()), "content": "x" * 24_000}}}
    )


async def test_a_script_reads_a_part_of_an_inbox_for_one_connection_only(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten devices that come at once, or recover at once, read one after the other: acknowledgements wait for scripts."""
    before = await gateway.connect(alice)
    sizes: list[int] = []
    run = ScriptRunner.run

    async def noted(runner: ScriptRunner, sha: str, text: str | None, arguments: tuple[Any, ...]) -> Any:
        answer = await run(runner, sha, text, arguments)
        sizes.append(len(repr(answer)))
        return answer

    monkeypatch.setattr(ScriptRunner, "run", noted)
    missed = [(await behind.append(identity(alice), text=large())).json for _ in range(6)]
    count = limits.MAX_CONNECTIONS_PER_USER
    opened = await asyncio.gather(*(gateway.connect(alice, cursor=before.cursor) for _ in range(count)))
    await until(lambda: all(len(each.of_type("message.new")) == len(missed) for each in opened))
    missed += [(await behind.append(identity(alice), text=large())).json for _ in range(6)]
    gateway.process.dispatcher.recovery.ask_all(0)
    await until(lambda: all(len(each.of_type("message.new")) == len(missed) for each in opened))
    for each in opened:
        assert [one.text for one in each.received if "message.new" in one.text] == missed
    assert connections.PAGE_BYTES < max(sizes) < 2 * connections.PAGE_BYTES


async def test_large_events_that_do_not_fit_are_not_read(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    """A script that read eight at once would copy 200 KB for a part of 64."""
    before = await gateway.connect(alice)
    missed = [await behind.append(identity(alice), text=large()) for _ in range(12)]
    read, end = 0, str(uuid.uuid4())
    async with behind.redis.monitor() as monitor:
        again = await gateway.connect(alice, cursor=before.cursor)
        await until(lambda: len(again.of_type("message.new")) == len(missed))
        await behind.redis.echo(end)
        while end not in (command := (await monitor.next_command())["command"]):
            if command.startswith(f"XRANGE {keys.key(keys.INBOX, identity(alice))} ("):
                read += int(command.rsplit(" ", 1)[1])
    assert len(missed) <= read <= 1.5 * len(missed)


@pytest.fixture
async def renewing(start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch) -> RunningGateway:
    """A gateway that renews what it has in Redis all the time."""
    monkeypatch.setattr(recovery, "RENEWAL_SECONDS", 0.02)
    return await start_gateway()


async def test_a_live_connection_keeps_its_route_and_inbox(
    renewing: RunningGateway, behind: Backend, alice: str
) -> None:
    """Both have a lifetime in Redis, which a connection may outlive."""
    await renewing.connect(alice)
    kept = {keys.ROUTES: ROUTE_SECONDS, keys.INBOX: limits.INBOX_SECONDS, keys.INBOX_OFFSET: limits.INBOX_SECONDS}
    for prefix in kept:
        await behind.redis.expire(keys.key(prefix, identity(alice)), 60)

    async def renewed() -> bool:
        left = [await behind.redis.ttl(keys.key(prefix, identity(alice))) for prefix in kept]
        return all(ttl > seconds - 60 for ttl, seconds in zip(left, kept.values(), strict=True))

    await eventually(renewed)


async def test_a_route_that_redis_dropped_is_made_again(renewing: RunningGateway, behind: Backend, alice: str) -> None:
    """What came meanwhile is read from the inbox."""
    socket = await renewing.connect(alice)
    missed = await behind.append(identity(alice))
    await behind.redis.delete(keys.key(keys.ROUTES, identity(alice)))
    await socket.expect("message.new")
    assert [one.text for one in socket.received[1:]] == [missed.json]
    assert len(await behind.routes(identity(alice))) == 1


async def test_a_demoted_server_is_noticed_on_open_connections(
    start_gateway: StartGateway, redis_url: str, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The links stay open, but Redis may have lost data: connected clients must read the history."""
    monkeypatch.setattr(link, "NONCE_SECONDS", 0.05)
    gateway = await start_gateway()
    socket = await gateway.connect(alice)
    async with Redis.from_url(redis_url) as client:
        await client.replicaof("127.0.0.1", "1")
        await client.replicaof("NO", "ONE")
    assert await socket.closed() == 1013
    again = await gateway.connect(alice, cursor=socket.cursor)
    assert recovered(again) is False


async def test_an_event_of_another_epoch_is_not_the_next_one(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    """A replica that lagged took over: it gives the next offset a second time, and what had it first is lost."""
    socket = await gateway.connect(alice)
    await behind.deliver([gateway], identity(alice))
    await socket.expect("message.new")
    epoch = int(await behind.redis.hget(keys.INBOX_EPOCH, "epoch") or 0)
    await behind.redis.hset(keys.INBOX_EPOCH, "epoch", f"{epoch + 1:010d}")
    await behind.deliver([gateway], identity(alice))
    assert await socket.closed() == 1013
    assert len(socket.of_type("message.new")) == 1
    assert recovered(await gateway.connect(alice, cursor=socket.cursor)) is False


async def test_connections_hold_their_deliveries_from_the_break_on(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await gateway.connect(alice)
    (connection,) = gateway.process.hub.of_user(identity(alice))
    await until(lambda: connection.inbox.held is None)
    monkeypatch.setattr(link, "RETRY_SECONDS", 60.0)
    await behind.redis.client_kill_filter(_type="pubsub")
    await until(lambda: connection.inbox.held is not None)
    assert not gateway.process.downlinks[0].up
    monkeypatch.undo()
    gateway.process.dispatcher.recovery.ask_all(0)
    missed = await behind.append(identity(alice))
    gateway.process.dispatcher.recovery.ask_all(0)
    await socket.expect("message.new")
    assert [one.text for one in socket.received[1:]] == [missed.json]


async def test_the_log_tells_a_closed_link_from_a_half_open_one(
    start_gateway: StartGateway, behind: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start_gateway()
    (downlink,) = gateway.process.downlinks
    with structlog.testing.capture_logs() as logs:
        await behind.redis.client_kill_filter(_type="pubsub")
        # From the next link on: a probe of this one could find no subscriber before its end is read.
        monkeypatch.setattr(link, "NONCE_SECONDS", 0.05)
        await until(lambda: any(entry["event"] == "downlink.connected" for entry in logs))
        with monkeypatch.context() as patched:
            patched.setattr(link, "LINK_TIMEOUT_SECONDS", -1.0)
            await until(lambda: not downlink.up)
        await until(lambda: downlink.up)
    lost = [
        entry["event"] for entry in logs if entry["log_level"] == "warning" and entry["event"].startswith("downlink")
    ]
    assert lost[:2] == ["downlink.disconnected", "downlink.dropped"]
    assert "downlink.not_connected" not in lost


async def test_recoveries_that_overlap_write_an_event_once(
    gateway: RunningGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is asked for while the first reads, and reads when the first has let events pass again."""
    socket = await gateway.connect(alice)
    registry, recover = gateway.process.dispatcher.registry, gateway.process.dispatcher.recovery
    resume, expected = registry.resume, [(await behind.append(identity(alice))).json]
    mark = '{"type":"error","error":{"code":"internal_error","message":"mark"}}'
    reads = 0

    async def overlap(items: Sequence[tuple[str, str, str]]) -> list[RecoveryResult]:
        nonlocal reads
        reads += 1
        if reads == 1:
            recover.ask_all(0)
        elif reads == 2:
            expected.append((await behind.deliver([gateway], identity(alice))).json)
            await behind.publish(gateway, connection_events=[relay.ConnectionEvent(connection_id(socket), mark)])
            await socket.expect_error("internal_error")
        return await resume(items)

    monkeypatch.setattr(registry, "resume", overlap)
    recover.ask_all(0)
    await until(lambda: reads >= 2 and len(socket.of_type("message.new")) >= 2)
    live = await behind.deliver([gateway], identity(alice))
    await until(lambda: live.json in [one.text for one in socket.received])
    assert [one.text for one in socket.received if "message.new" in one.text] == [*expected, live.json]
