"""From a frame to a command batch, and its answer."""

import asyncio
import json
import uuid

import pytest
from websockets.frames import Opcode

from services.gateway.uplink import batches, lost_answers
from shared.protocol import limits, relay
from shared.protocol.topology import MESSAGING_CHANGES, MESSAGING_COMMANDS, command_queues
from shared.rabbitmq import declare
from shared.redis.processed_batches import ProcessedBatches
from shared.rest import health
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, eventually, identity, until
from tests.support.tcp import Tcp


async def next_batch(behind: Backend) -> relay.CommandBatch:
    return await behind.take(MESSAGING_COMMANDS, relay.command_batch_decoder)


async def test_a_send_becomes_a_command(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="สวัสดี", tempId="t")
    batch = await next_batch(behind)
    assert batch.gateway_id == gateway.id
    assert batch.commands == [
        relay.SendMessage(identity(alice), connection_id(socket), conversation, "text", "สวัสดี", None, "t")
    ]


async def test_the_next_commands_of_a_connection_wait_for_its_answer(
    gateway: RunningGateway, behind: Backend, alice: str, bob: str, conversation: str
) -> None:
    sender, other = await gateway.connect(alice), await gateway.connect(bob)
    await sender.send("message.send", conversationId=conversation, type="text", content="1")
    first = await next_batch(behind)
    for seq in (2, 3, 4):
        await sender.send("message.delivered", conversationId=conversation, seq=seq)
    await sender.send("ping")
    await sender.expect("pong")
    await other.send("message.read", conversationId=conversation)
    theirs = await next_batch(behind)
    assert [command.user_id for command in theirs.commands] == [identity(bob)]
    assert await behind.empty(MESSAGING_COMMANDS)
    await behind.publish(gateway, completed=[first.batch_id])
    second = await next_batch(behind)
    assert [getattr(command, "seq", None) for command in second.commands] == [2, 3, 4]


async def test_receipts_of_many_connections_of_a_user_are_merged(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    """Each read would be answered to all ten. None is refused, and the last one counts."""
    per_second, each = 5, 15
    gateway = await start_gateway(events_per_second=per_second)
    sockets = [await gateway.connect(alice) for _ in range(limits.MAX_CONNECTIONS_PER_USER)]
    last = each * len(sockets)
    for seq in range(1, last + 1):
        await sockets[seq % len(sockets)].send("message.read", conversationId=conversation, seq=seq)
    taken: list[int | None] = []
    while last not in taken:
        batch = await next_batch(behind)
        taken += [command.seq for command in batch.commands if isinstance(command, relay.MarkRead)]
        await behind.publish(gateway, completed=[batch.batch_id])
    assert each <= len(taken) < last


async def test_what_does_not_fit_is_refused(gateway: RunningGateway, alice: str, conversation: str) -> None:
    socket = await gateway.connect(alice)
    for number in range(4 * batches.MAX_WAITING):
        await socket.send("message.send", conversationId=conversation, type="text", content="x", tempId=f"t{number}")
    error = await socket.expect_error("rate_limit_exceeded", type="message.send")
    assert error["error"]["retryAfter"] == 1
    assert error["error"]["message"] == "Too many messages"
    assert error["ref"]["tempId"].startswith("t")


async def test_large_messages_at_once_are_read_as_fast_as_they_leave(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    client = await Tcp.connect(gateway, alice)
    sent = [str(number) for number in range(30)]
    for temp_id in sent:
        payload = {"conversationId": conversation, "type": "text", "content": "ก" * 4_000, "tempId": temp_id}
        client.send(Opcode.TEXT, json.dumps({"type": "message.send", "payload": payload}).encode())
    taken: list[str | None] = []
    while len(taken) < len(sent):
        batch = await next_batch(behind)
        taken += [command.temp_id for command in batch.commands if isinstance(command, relay.SendMessage)]
        await behind.publish(gateway, completed=[batch.batch_id])
    assert taken == sent
    client.abort()


async def test_no_answer_is_send_failed_and_the_next_commands_go(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ANSWER_SECONDS", 0.3)
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="1", tempId="lost")
    first = await next_batch(behind)
    error = await socket.expect_error("send_failed", type="message.send", tempId="lost", conversationId=conversation)
    assert error["error"]["retryable"] is True
    await socket.send("message.read", conversationId=conversation)
    second = await next_batch(behind)
    assert second.batch_id > first.batch_id
    await behind.publish(gateway, completed=[first.batch_id])
    await socket.expect_error("send_failed", type="message.read")


async def finished(gateway: RunningGateway, batch: relay.CommandBatch) -> None:
    """Note that messaging has finished a batch, as it does itself."""
    await ProcessedBatches(gateway.process.partitions).remember([gateway.id, batch.batch_id])


async def test_an_answer_that_was_lost_with_the_link_is_not_waited_for(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ANSWER_SECONDS", 1_000)
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="1", tempId="lost")
    first = await next_batch(behind)
    await finished(gateway, first)
    missed = await behind.append(identity(alice))
    await behind.redis.client_kill_filter(_type="pubsub")
    await socket.expect("message.new")
    error, event = socket.received[1:]
    assert json.loads(error.text)["error"]["code"] == "send_failed"
    assert event.text == missed.json
    await socket.send("message.read", conversationId=conversation)
    assert (await next_batch(behind)).batch_id > first.batch_id


async def test_a_batch_that_is_finished_after_the_link_is_back_is_noticed_too(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ANSWER_SECONDS", 1_000)
    monkeypatch.setattr(lost_answers, "LOOK_SECONDS", 0.05)
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="1", tempId="late")
    first = await next_batch(behind)
    (downlink,) = gateway.process.downlinks
    await behind.redis.client_kill_filter(_type="pubsub")
    await until(lambda: not downlink.up)
    await until(lambda: downlink.up)
    await asyncio.sleep(0.3)
    assert socket.of_type("error") == []
    await finished(gateway, first)
    await socket.expect_error("send_failed", tempId="late")


async def test_a_late_answer_of_a_closed_connection_hurts_nobody(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="1")
    await socket.send("message.send", conversationId=conversation, type="text", content="2")
    await socket.close()
    first = await next_batch(behind)
    await behind.publish(gateway, completed=[first.batch_id])
    commands = list(first.commands)
    while len(commands) < 2:
        commands += (await next_batch(behind)).commands
    assert [command.content for command in commands if isinstance(command, relay.SendMessage)] == ["1", "2"]


async def test_without_a_broker_sends_fail_at_once_and_the_socket_stays(
    start_gateway: StartGateway, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the gateway is ready: the others have no broker either, and clients can still connect."""
    monkeypatch.setattr(health, "STARTUP_SECONDS", 0)
    gateway = await start_gateway(amqp="amqp://guest:guest@127.0.0.1:1/", wait=False)
    await until(lambda: gateway.process.downlinks[0].up)
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="x", tempId="t")
    error = await socket.expect_error("send_failed", tempId="t")
    assert error["error"]["retryAfter"] == limits.SEND_RETRY_SECONDS
    await socket.send("ping")
    await socket.expect("pong")
    readiness = await gateway.get("/readyz?verbose")
    assert readiness.status_code == 200
    assert readiness.json()["backends"] == {
        "redis": "ok",
        "amqp": "failed: BrokerUnavailable: no connection to publish on",
    }


async def test_messages_are_limited_over_all_gateways(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateways = [await start_gateway(messages_per_minute=5) for _ in range(2)]
    sockets = [await gateway.connect(alice) for gateway in gateways]
    passed = 0
    for number in range(8):
        socket = sockets[number % 2]
        await socket.send("message.send", conversationId=conversation, type="text", content="x", tempId=f"t{number}")
        if number < 5:
            batch = await next_batch(behind)
            passed += len(batch.commands)
            await behind.publish(gateways[number % 2], completed=[batch.batch_id])
        else:
            error = await socket.expect_error("rate_limit_exceeded", tempId=f"t{number}")
            assert error["error"]["message"] == "Too many messages"
            assert 0 < error["error"]["retryAfter"] <= 12
    assert passed == 5
    await sockets[0].send("message.read", conversationId=conversation)
    assert len((await next_batch(behind)).commands) == 1


async def test_part_of_a_batch_may_be_refused(
    start_gateway: StartGateway, behind: Backend, alice: str, bob: str, conversation: str
) -> None:
    gateway = await start_gateway(messages_per_minute=2)
    greedy, modest = await gateway.connect(alice), await gateway.connect(bob)
    await greedy.send("message.delivered", conversationId=conversation, seq=1)
    first = await next_batch(behind)
    for number in range(4):
        await greedy.send("message.send", conversationId=conversation, type="text", content="x", tempId=f"t{number}")
    await greedy.send("message.delivered", conversationId=conversation, seq=2)
    await greedy.send("ping")
    await greedy.expect("pong")
    await behind.publish(gateway, completed=[first.batch_id])
    second = await next_batch(behind)
    assert [getattr(command, "temp_id", None) for command in second.commands] == ["t0", "t1", None]
    for temp_id in ("t2", "t3"):
        await greedy.expect_error("rate_limit_exceeded", tempId=temp_id)
    await modest.send("message.send", conversationId=conversation, type="text", content="x", tempId="m")
    assert len((await next_batch(behind)).commands) == 1


async def test_a_batch_that_is_refused_whole_lets_the_connection_go_on(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(messages_per_minute=1)
    socket = await gateway.connect(alice)
    await socket.send("message.send", conversationId=conversation, type="text", content="x", tempId="a")
    batch = await next_batch(behind)
    await behind.publish(gateway, completed=[batch.batch_id])
    await until(lambda: gateway.process.dispatcher.uplink.idle)
    await socket.send("message.send", conversationId=conversation, type="text", content="x", tempId="b")
    await socket.expect_error("rate_limit_exceeded", tempId="b")
    await socket.send("message.read", conversationId=conversation)
    assert len((await next_batch(behind)).commands) == 1


async def test_direct_events_are_written_as_they_come(gateway: RunningGateway, behind: Backend, alice: str) -> None:
    socket = await gateway.connect(alice)
    text = json.dumps({"type": "block.added", "payload": {"username": "eve", "blockedAt": "x"}})
    await behind.publish(
        gateway,
        connection_events=[relay.ConnectionEvent(connection_id(socket), text), relay.ConnectionEvent("nobody", "{}")],
    )
    await socket.expect("block.added")
    assert socket.received[-1].text == text


async def test_changes_go_by_a_queue_of_their_own(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    """Replicas of version 0.1.0 consume the other one, and would dead-letter what they don't know."""
    socket = await gateway.connect(alice)
    await socket.send("reaction.add", conversationId=conversation, seq=1, emoji="👍")
    batch = await behind.take(MESSAGING_CHANGES, relay.command_batch_decoder)
    assert [type(command) for command in batch.commands] == [relay.SetReaction]
    await socket.send("message.send", conversationId=conversation, type="text", content="waits", tempId="t")
    await behind.publish(gateway, completed=[batch.batch_id])
    assert [type(command) for command in (await next_batch(behind)).commands] == [relay.SendMessage]


async def test_messages_with_uploads_go_by_the_queue_of_changes(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str
) -> None:
    """Replicas of version 0.1.0 would store them without their files."""
    socket = await gateway.connect(alice)
    upload, elsewhere = {"uploadId": str(uuid.uuid4())}, {"url": "https://cdn.example/1.jpg", "type": "image"}
    elsewhere_named = {**elsewhere, "name": '"uploadId":'}
    for media, queue, other in (
        ([elsewhere, upload], MESSAGING_CHANGES, MESSAGING_COMMANDS),
        ([elsewhere_named], MESSAGING_COMMANDS, MESSAGING_CHANGES),
    ):
        await socket.send("message.send", conversationId=conversation, type="image", media=media, tempId=queue.name)
        batch = await behind.take(queue, relay.command_batch_decoder)
        [command] = batch.commands
        assert isinstance(command, relay.SendMessage)
        assert json.loads(command.media or "") == media
        assert await behind.empty(other)
        await behind.publish(gateway, completed=[batch.batch_id])


async def test_an_upload_that_no_replica_can_store_is_refused_for_now(
    gateway: RunningGateway, behind: Backend, alice: str, conversation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as only replicas of version 0.1.0 run, nobody consumes the queue: the client may send it again."""
    monkeypatch.setattr(batches, "ANSWER_SECONDS", 0.3)
    socket = await gateway.connect(alice)
    upload = {"uploadId": str(uuid.uuid4())}
    await socket.send("message.send", conversationId=conversation, type="file", media=[upload], tempId="t")
    error = await socket.expect_error("send_failed", type="message.send", tempId="t", conversationId=conversation)
    assert error["error"]["retryable"] is True
    assert await behind.empty(MESSAGING_COMMANDS)
    # It waits for the first replica that can: the same `tempId` makes one message of both.
    waiting = await behind.take(MESSAGING_CHANGES, relay.command_batch_decoder)
    assert [command.temp_id for command in waiting.commands if isinstance(command, relay.SendMessage)] == ["t"]


async def test_batches_are_spread_over_the_queues_of_commands(
    start_gateway: StartGateway, behind: Backend, alice: str, conversation: str
) -> None:
    gateway = await start_gateway(command_queues=2)
    queues, used = command_queues(2), set[str]()

    async def one_came() -> bool:
        for queue in queues:
            message = await (await declare(behind.channel, queue)).get(fail=False)
            if message is not None:
                await message.ack()
                used.add(queue.name)
                return True
        return False

    for number in range(4):
        socket = await gateway.connect(f"{alice}-{number}")
        await socket.send("message.send", conversationId=conversation, type="text", content="x")
        await eventually(one_came)
    assert used == {queue.name for queue in queues}
