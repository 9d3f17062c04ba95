"""Messages to nobody, or to a connection without a later sign of life (docs/protocol.md, «Push»)."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.frames import Opcode

from services.gateway.downlink import takeover
from shared.protocol import keys, relay
from shared.protocol.codec import instant, msgpack_encoder
from shared.protocol.push import NEW_MESSAGE
from shared.protocol.topology import NOTIFIER_UNDELIVERED, PRESENCE_COMMANDS
from shared.redis.previews import Previews
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, eventually, identity, until
from tests.support.gateway_process import gateway_process
from tests.support.sockets import RawSocket
from tests.support.tcp import Tcp
from tools.devtoken import mint

SENDER = "44444444-4444-4444-8444-444444444444"


def message_new(conversation: str, content: str | None = "hello", created_at: str = "2024-01-01T11:00:00.123Z") -> Any:
    """A `message.new` as messaging writes it."""
    message = {
        "id": str(uuid.uuid4()),
        "conversationId": conversation,
        "seq": 7,
        "senderId": SENDER,
        "type": "text",
        "content": content,
        "media": [],
        "isRead": False,
        "readAt": None,
        "deliveredAt": None,
        "createdAt": created_at,
        "sender": {"id": SENDER, "username": "somchai", "displayName": "สมชาย", "avatar": None},
    }
    return {"type": "message.new", "payload": {"message": message, "unread": {"conversation": 1, "total": 1}}}


async def store(behind: Backend, user: str, event: Any) -> relay.DurableEvent:
    delivery = await behind.append(user, text=json.dumps(event, ensure_ascii=False, separators=(",", ":")))
    delivery.notifiable = True
    return delivery


async def send(gateway: RunningGateway, behind: Backend, user: str, event: Any) -> None:
    await behind.publish(gateway, durable_events=[await store(behind, user, event)])


async def reported(behind: Backend, seconds: float = 10) -> list[relay.Undelivered]:
    return (await behind.take(NOTIFIER_UNDELIVERED, relay.undelivered_batch_decoder, seconds)).messages


async def test_a_silent_connection_is_asked_and_then_reported(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=1)
    client = await Tcp.connect(gateway, alice)
    event = message_new(conversation, "ก" * 1000)
    await send(gateway, behind, identity(alice), event)
    assert (await client.frame())[0] == Opcode.TEXT
    assert (await client.frame())[0] == Opcode.PING
    (report,) = await reported(behind)
    message = event["payload"]["message"]
    assert report == relay.Undelivered(
        message_id=message["id"],
        conversation_id=conversation,
        seq=7,
        sender_id=SENDER,
        sender_username="somchai",
        receiver_id=identity(alice),
        type="text",
        preview=NEW_MESSAGE,
        created_at_ms=1704106800123,
        silent_connections=[gateway.process.hub.of_user(identity(alice))[0].id],
        sender_name="สมชาย",
    )
    # The text waits where a deletion finds it.
    assert await Previews(gateway.process.partitions).find(report) == "ก" * relay.MAX_PREVIEW_CHARACTERS
    client.abort()


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY, Opcode.PING])
async def test_a_pong_or_any_frame_is_a_sign_of_life(
    start_gateway: StartGateway, behind: Backend, alice: str, bob: str, conversation: str, opcode: Opcode
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.6)
    answers_pings = await gateway.connect(alice)
    talks = await Tcp.connect(gateway, bob)
    for user in (alice, bob):
        await send(gateway, behind, identity(user), message_new(conversation))
    await answers_pings.expect("message.new")
    assert (await talks.frame())[0] == Opcode.TEXT
    talks.send(opcode, b'{"type":"ping"}')
    await until(lambda: not gateway.process.dispatcher.undelivered.watching)
    assert gateway.process.dispatcher.undelivered.idle
    assert await behind.empty(NOTIFIER_UNDELIVERED)
    talks.abort()


async def test_only_a_probed_connection_counts_as_silent(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.1)
    answers_pings = await gateway.connect(alice)
    for _ in range(6):
        await send(gateway, behind, identity(alice), message_new(conversation))
        await answers_pings.expect("message.new")
        await until(lambda: not gateway.process.dispatcher.undelivered.watching)
    assert gateway.process.dispatcher.undelivered.idle
    assert await behind.empty(NOTIFIER_UNDELIVERED)


async def test_one_report_names_all_silent_connections_of_the_user(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.6)
    silent = [await Tcp.connect(gateway, alice) for _ in range(2)]
    alive = await gateway.connect(alice)
    await send(gateway, behind, identity(alice), message_new(conversation))
    (report,) = await reported(behind)
    assert len(report.silent_connections) == 2
    assert connection_id(alive) not in report.silent_connections
    for client in silent:
        client.abort()


async def test_only_a_connection_that_is_lost_before_it_answers_is_reported(
    start_gateway: StartGateway, behind: Backend, alice: str, bob: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.6)
    lost, leaves = await Tcp.connect(gateway, alice), await gateway.connect(bob, ping_interval=None)
    for user in (alice, bob):
        await send(gateway, behind, identity(user), message_new(conversation))
    await leaves.expect("message.new")
    await leaves.close()
    lost.abort()
    (report,) = await reported(behind)
    assert report.receiver_id == identity(alice)
    await until(lambda: not gateway.process.dispatcher.undelivered.watching)
    assert await behind.empty(NOTIFIER_UNDELIVERED)


async def test_a_delivery_for_nobody_here_is_reported_at_once_and_its_route_goes(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    user = identity(alice)
    routes = keys.key(keys.ROUTES, user)
    await behind.redis.hset(routes, mapping={"0190": gateway.id, "0191": "another-gateway"})
    await send(gateway, behind, user, message_new(conversation))
    (report,) = await reported(behind, 2)
    assert (report.receiver_id, report.silent_connections) == (user, [])

    async def pruned() -> bool:
        return await behind.routes(user) == {"0191": "another-gateway"}

    await eventually(pruned)


async def test_a_replayed_message_waits_for_a_sign_of_life_as_well(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.6)
    before = await gateway.connect(alice)
    cursor = before.cursor
    await before.close()
    event = message_new(conversation)
    await store(behind, identity(alice), event)
    await behind.append(identity(alice), text='{"type":"message.read_ack","payload":{}}')
    silent = await Tcp.connect(gateway, alice, cursor)
    (report,) = await reported(behind)
    assert report.message_id == event["payload"]["message"]["id"]
    assert report.silent_connections == [gateway.process.hub.of_user(identity(alice))[0].id]
    silent.abort()


async def test_a_gateway_that_ends_leaves_what_was_not_seen_to_the_broker(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.6)
    silent = await Tcp.connect(gateway, alice)
    event = message_new(conversation)
    await send(gateway, behind, identity(alice), event)
    assert (await silent.frame())[0] == Opcode.TEXT
    await gateway.drain()
    assert not gateway.process.dispatcher.undelivered.watching
    assert await behind.empty(NOTIFIER_UNDELIVERED), "its client had no time to come back"
    (report,) = await reported(behind)
    assert report.message_id == event["payload"]["message"]["id"]
    silent.abort()


async def test_what_a_killed_gateway_wrote_last_is_reported_by_another(
    start_gateway: StartGateway,
    behind: Backend,
    alice: str,
    conversation: str,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    amqp_url: str,
    redis_url: str,
) -> None:
    monkeypatch.setattr(takeover, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(keys, "GATEWAY_DEAD_MS", 1_000)
    user = identity(alice)
    async with gateway_process(database_url, amqp_url, redis_url) as (process, url):
        client = await RawSocket.connect(url, mint(alice))
        await client.expect("connection.success")
        (gateway_id,) = (await behind.routes(user)).values()
        long_ago, now = message_new(conversation), message_new(conversation, created_at=instant(datetime.now(UTC)))
        deliveries = [await store(behind, user, event) for event in (long_ago, now)]
        body = msgpack_encoder.encode(relay.Downlink(durable_events=deliveries))
        await behind.redis.publish(keys.key(keys.GATEWAY, gateway_id), body)
        for _ in deliveries:
            await client.expect("message.new")
        process.kill()
    await start_gateway()
    (report,) = await reported(behind)
    assert report.message_id == now["payload"]["message"]["id"]
    assert (report.receiver_id, report.silent_connections) == (user, [connection_id(client)])
    assert await behind.routes(user) == {}
    # It tells presence too: users who reconnected elsewhere and closed are offline before the dead gateway's lease ends.
    lost = await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)
    while not isinstance(lost.commands[-1], relay.Disconnected):
        lost = await behind.take(PRESENCE_COMMANDS, relay.presence_batch_decoder)
    assert lost.commands[-1].connection_id == connection_id(client)
    assert lost.commands[-1].certain is False

    async def settled() -> bool:
        return await behind.redis.zscore(keys.GATEWAYS_HEARD, gateway_id) is None

    await eventually(settled)
    assert not await behind.redis.exists(keys.key(keys.GATEWAY, gateway_id), keys.key(keys.CONNECTIONS, gateway_id))


async def test_connections_that_end_leave_nothing_to_take_over(
    gateway: RunningGateway, behind: Backend, alice: str
) -> None:
    held = keys.key(keys.CONNECTIONS, gateway.id)
    client = await gateway.connect(alice)
    assert await behind.redis.smembers(held) == {f"{identity(alice)} {connection_id(client)}".encode()}
    await client.close()

    async def gone() -> bool:
        return not await behind.redis.exists(held)

    await eventually(gone)


async def test_what_is_no_message_is_not_reported(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.3)
    client = await Tcp.connect(gateway, alice)
    await behind.deliver([gateway], identity(alice))
    await behind.deliver([gateway], str(uuid.uuid4()))
    assert (await client.frame())[0] == Opcode.TEXT
    assert not gateway.process.dispatcher.undelivered.watching
    await until(lambda: gateway.process.dispatcher.undelivered.idle)
    assert await behind.empty(NOTIFIER_UNDELIVERED)
    client.abort()


async def lacks(behind: Backend, key: str) -> bool:
    return not await behind.redis.exists(key)


async def test_an_inactive_client_is_reported_although_it_lives(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=0.5)
    client = await gateway.connect(alice)
    await client.send("client.state", active=False)
    await client.send("ping")
    await client.expect("pong")
    event = message_new(conversation)
    await send(gateway, behind, identity(alice), event)
    await client.expect("message.new")
    await client.send("message.delivered", conversationId=conversation, seq=7)
    await client.send("ping")
    await client.expect("pong")
    (report,) = await reported(behind)
    (connection,) = gateway.process.hub.of_user(identity(alice))
    assert report.message_id == event["payload"]["message"]["id"]
    assert report.silent_connections == [connection.id]
    inactive = keys.key(keys.INACTIVE, identity(alice))
    assert await behind.redis.smembers(inactive) == {connection.id.encode()}

    await client.send("client.state", active=True)
    await send(gateway, behind, identity(alice), message_new(conversation))
    await client.expect("message.new")
    await until(lambda: not gateway.process.dispatcher.undelivered.watching)
    assert await behind.empty(NOTIFIER_UNDELIVERED)
    await eventually(lambda: lacks(behind, inactive))


async def test_who_goes_inactive_before_the_delay_ends_is_reported(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(push_delay_seconds=3)
    client = await Tcp.connect(gateway, alice)
    await send(gateway, behind, identity(alice), message_new(conversation))
    assert (await client.frame())[0] == Opcode.TEXT
    client.send(Opcode.TEXT, b'{"type":"client.state","payload":{"active":false}}')
    assert await reported(behind)
    client.abort()


async def test_the_state_of_a_connection_goes_with_it(start_gateway: StartGateway, behind: Backend, alice: str) -> None:
    gateway = await start_gateway()
    client = await gateway.connect(alice)
    inactive = keys.key(keys.INACTIVE, identity(alice))
    await client.send("client.state", active=False)
    await eventually(lambda: behind.redis.exists(inactive))
    await client.close()
    await eventually(lambda: lacks(behind, inactive))
