"""From a downlink to sockets: order, gaps, repetitions, and orders to close."""

import asyncio
import json
import time
from typing import Any

import pytest
import uuid_utils
from prometheus_client import REGISTRY
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.auth.revocations import Revocations
from shared.postgres import open_pool
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import open_partitions
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, eventually, identity, until
from tests.support.sockets import RawSocket, refused
from tools.devtoken import mint


def cursors(socket: RawSocket) -> list[str]:
    return [event["cursor"] for event in socket.events if "cursor" in event]


async def got(socket: RawSocket, *deliveries: relay.DurableEvent) -> None:
    """Wait until `socket` has had exactly these, in this order."""
    await until(lambda: len(cursors(socket)) >= len(deliveries))
    assert [one.text for one in socket.received if "cursor" in one.event] == [one.json for one in deliveries]


async def test_every_connection_of_a_user_gets_the_bytes(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str
) -> None:
    sockets = [await gateway.connect(alice) for _ in range(3)]
    other = await gateway.connect(bob)
    deliveries = [await behind.deliver([gateway], identity(alice)) for _ in range(3)]
    for socket in sockets:
        await got(socket, *deliveries)
    assert cursors(other) == []


async def test_repeats_are_dropped(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    first = await behind.deliver([gateway], identity(alice))
    await behind.publish(gateway, durable_events=[first, first])
    second = await behind.deliver([gateway], identity(alice))
    await got(socket, first, second)


async def test_a_missing_delivery_is_read_from_the_inbox(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    first = await behind.deliver([gateway], identity(alice))
    lost = [await behind.append(identity(alice)) for _ in range(3)]
    late = await behind.deliver([gateway], identity(alice))
    await got(socket, first, *lost, late)
    await got(socket, first, *lost, late, await behind.deliver([gateway], identity(alice)))


async def test_a_gap_that_the_inbox_can_not_fill_closes(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    await behind.append(identity(alice))
    await behind.redis.delete(keys.key(keys.INBOX, identity(alice)))
    await behind.publish(gateway, durable_events=[await behind.append(identity(alice))])
    assert await socket.closed() == 1013


async def test_what_the_cut_link_missed_is_recovered(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    first = await behind.deliver([gateway], identity(alice))
    await got(socket, first)
    await behind.redis.client_kill_filter(_type="pubsub")
    lost = await behind.append(identity(alice))
    await got(socket, first, lost)
    after = await behind.deliver([gateway], identity(alice))
    await got(socket, first, lost, after)


async def test_after_a_loss_of_redis_data_unrecoverable_connections_are_closed(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket = await gateway.connect(alice)
    await behind.deliver([gateway], identity(alice))
    await socket.expect("message.new")
    await behind.redis.flushdb()
    await behind.redis.client_kill_filter(_type="pubsub")
    assert await socket.closed() == 1013
    again = await gateway.connect(alice, cursor=socket.cursor)
    assert again.events[0]["payload"]["recovered"] is False
    await got(again, await behind.deliver([gateway], identity(alice)))


async def test_routes_are_registered_again_after_redis_forgot_them(
    start_gateway: StartGateway, behind: Backend, alice: str
) -> None:
    gateway = await start_gateway()
    socket = await gateway.connect(alice)
    await behind.redis.delete(keys.key(keys.ROUTES, identity(alice)), keys.key(keys.GATEWAY, gateway.id))
    assert await behind.routes(identity(alice)) == {}
    assert await eventually(lambda: behind.routes(identity(alice))) == {connection_id(socket): gateway.id}
    await got(socket, await behind.deliver([gateway], identity(alice)))


async def test_transient_events_go_to_all_connections_of_the_users(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str
) -> None:
    sockets = [await gateway.connect(alice), await gateway.connect(alice), await gateway.connect(bob)]
    text = '{"type":"typing.stop","payload":{}}'
    await behind.publish(
        gateway, transient_events=[relay.TransientEvent([identity(alice), identity(bob), "nobody"], text)]
    )
    for socket in sockets:
        await socket.expect("typing.stop")


def transient(user: str, name: str, **fields: Any) -> relay.TransientEvent:
    return relay.TransientEvent([user], json.dumps({"type": name, "payload": {}}), **fields)


async def test_only_durable_events_may_come_before_status_bulk(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket, user = await gateway.connect(alice), identity(alice)
    bulk = relay.ConnectionEvent(connection_id(socket), '{"type":"status.bulk","payload":{"users":[]}}', 2)
    early = [
        transient(user, "typing.start"),
        transient(user, "user.online", about="a friend"),
        transient(user, "user.status", about=user),
    ]
    await behind.publish(gateway, transient_events=early, connection_events=[bulk])
    await behind.deliver([gateway], user)
    await socket.expect("message.new")
    await behind.publish(gateway, transient_events=[transient(user, "typing.stop")], connection_events=[bulk])
    await behind.publish(gateway, transient_events=[transient(user, "user.offline", about="a friend")])
    await socket.expect("user.offline")
    assert [event["type"] for event in socket.events[1:]] == [
        *("status.bulk", "message.new", "status.bulk"),
        *("typing.start", "user.status", "typing.stop", "user.offline"),
    ]


async def test_typing_waits_for_a_slow_presence_but_not_for_ever(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket = await gateway.connect(alice)
    await behind.publish(gateway, transient_events=[transient(identity(alice), "typing.start")])
    await socket.expect("typing.start")


async def test_what_began_before_the_connection_is_not_for_it(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    before_ms = gateway.process.watches.clock.now_ms() - 1_000
    socket, user = await gateway.connect(alice), identity(alice)
    after_ms = gateway.process.watches.clock.now_ms() + 1_000
    events = [
        transient(user, "typing.start", since_ms=before_ms),
        transient(user, "typing.stop", since_ms=after_ms),
    ]
    await behind.publish(gateway, transient_events=events)
    await socket.expect("typing.stop")
    assert not socket.of_type("typing.start")


async def test_an_undecodable_downlink_hurts_nobody(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    def gaps() -> float:
        return REGISTRY.get_sample_value("chat_gateway_link_gaps_total") or 0

    socket, before = await gateway.connect(alice), gaps()
    no_text = msgpack_encoder.encode(relay.Downlink(trace="é")).replace("é".encode(), b"\xff\xff")
    for body in (b"", b"\xff", b"\x93\x01\x02\x03", b"x" * 1000, no_text):
        await behind.redis.publish(keys.key(keys.GATEWAY, gateway.id), body)
    await got(socket, await behind.deliver([gateway], identity(alice)))
    assert gaps() == before


async def test_an_order_to_close_with_an_unknown_code_of_a_newer_replica(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    socket = await gateway.connect(alice)
    await behind.publish(gateway, close_orders=[relay.CloseOrder(4999, identity(alice))])
    assert await socket.closed() == 1001


async def test_the_oldest_beyond_ten_over_all_gateways_is_replaced(
    start_gateway: StartGateway, behind: Backend, alice: str
) -> None:
    gateways = [await start_gateway() for _ in range(2)]
    sockets = [await gateways[number % 2].connect(alice) for number in range(limits.MAX_CONNECTIONS_PER_USER)]
    assert len(await behind.routes(identity(alice))) == 10
    sockets.append(await gateways[0].connect(alice))
    assert await sockets[0].closed() == 4409
    sockets.append(await gateways[0].connect(alice))
    assert await sockets[1].closed() == 4409
    assert len(await behind.routes(identity(alice))) == 10
    await got(sockets[2], await behind.deliver(gateways, identity(alice)))
    assert [socket.close_code for socket in sockets[2:]] == [1006] * 10


async def test_a_gateway_whose_clock_is_behind_does_not_replace_its_own_connection(
    start_gateway: StartGateway, behind: Backend, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids sort by the clock of the machine that made them."""
    gateway = await start_gateway(connections_per_user=2)
    sockets = [await gateway.connect(alice) for _ in range(2)]
    monkeypatch.setattr(uuid_utils, "uuid7", lambda: "0190a1b2-0000-7000-8000-000000000001")
    sockets.append(await gateway.connect(alice))
    assert await sockets[0].closed() == 4409
    await got(sockets[2], await behind.deliver([gateway], identity(alice)))


@pytest.mark.parametrize(("limit", "replaced"), [(2, 1), (0, 0)])
async def test_an_operator_says_how_many_connections_a_user_may_have(
    start_gateway: StartGateway, behind: Backend, alice: str, limit: int, replaced: int
) -> None:
    gateway = await start_gateway(connections_per_user=limit)
    number = 3 if limit else limits.MAX_CONNECTIONS_PER_USER + 1
    sockets = [await gateway.connect(alice) for _ in range(number)]
    for socket in sockets[:replaced]:
        assert await socket.closed() == 4409
    assert len(await behind.routes(identity(alice))) == number - replaced


async def test_an_operator_says_how_long_an_inbox_lasts(
    start_gateway: StartGateway, behind: Backend, alice: str
) -> None:
    gateway = await start_gateway(inbox_seconds=3_600)
    await gateway.connect(alice)
    for prefix in (keys.INBOX, keys.INBOX_OFFSET):
        assert 0 < await behind.redis.ttl(keys.key(prefix, identity(alice))) <= 3_600


async def test_what_a_dead_gateway_left_replaces_nobody(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    sockets = [await gateway.connect(alice) for _ in range(5)]
    left: dict[Any, str] = {str(uuid_utils.uuid7()): "dead-gateway" for _ in range(limits.MAX_CONNECTIONS_PER_USER - 5)}
    await behind.redis.hset(keys.key(keys.ROUTES, identity(alice)), mapping=left)
    sockets += [await gateway.connect(alice) for _ in range(5)]
    assert set(await behind.routes(identity(alice))) == {connection_id(socket) for socket in sockets}
    sockets.append(await gateway.connect(alice))
    assert await sockets[0].closed() == 4409
    await got(sockets[1], await behind.deliver([gateway], identity(alice)))


async def test_revocation_closes_older_tokens_on_every_gateway_and_refuses_them(
    start_gateway: StartGateway, database_url: str, redis_url: str, alice: str
) -> None:
    gateways = [await start_gateway() for _ in range(2)]
    old = mint(alice, iat=1_700_000_000)
    sockets = [await gateway.connect(alice, token=old) for gateway in gateways]
    partitions = open_partitions(redis_url)
    pool = await open_pool(SecretStr(database_url), size=1, application_name="test")
    await Revocations(pool, partitions).revoke(identity(alice), 60)
    await pool.close()
    await partitions.aclose()
    async with asyncio.timeout(30):
        assert [await socket.closed() for socket in sockets] == [4401, 4401]
    assert (await refused(gateways[0].url, old)).status == 401
    assert (await gateways[0].get("/chat/ws", headers={"Authorization": f"Bearer {old}"})).status_code == 401
    later = await gateways[0].connect(alice, token=mint(alice, iat=time.time() + 2))
    await later.send("ping")
    await later.expect("pong")


async def test_a_revocation_that_a_cut_link_missed_is_found_when_it_is_back(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str
) -> None:
    old = await gateway.connect(alice, token=mint(alice, iat=1_700_000_000))
    other = await gateway.connect(bob)
    await behind.redis.set(keys.key(keys.REVOKED, identity(alice)), int(time.time()), ex=60)
    await behind.redis.client_kill_filter(_type="pubsub")
    assert await old.closed() == 4401
    await other.send("ping")
    await other.expect("pong")


async def test_routes_go_with_connections(gateway: RunningGateway, behind: Backend, alice: str, redis_url: str) -> None:
    first, second = await gateway.connect(alice), await gateway.connect(alice)
    assert set(await behind.routes(identity(alice))) == {connection_id(first), connection_id(second)}
    await first.close()

    async def one_left() -> bool:
        return set(await behind.routes(identity(alice))) == {connection_id(second)}

    await eventually(one_left)
    await second.cut()

    async def none_left() -> bool:
        return not await behind.routes(identity(alice))

    await eventually(none_left)
    async with Redis.from_url(redis_url) as client:
        assert await client.ttl(keys.key(keys.INBOX, identity(alice))) > limits.INBOX_SECONDS - 60
