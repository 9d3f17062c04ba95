"""Fan-out: who gets what, counted once, in order, and what happens when Redis or a gateway has lost data."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from redis.asyncio import Redis

from services.messaging.cycle import Cycle
from services.messaging.failpoints import Failpoints
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.outgoing_events import OutgoingEvents
from shared.postgres import Pool
from shared.protocol import keys, limits
from shared.protocol.relay import Command, CommandBatch
from shared.protocol.topology import QUEUES
from shared.rabbitmq import Publisher
from shared.redis import Partitions, processed_batches
from shared.redis.previews import Previews
from tests.support.messaging import Gateway, Person, Replica, Stall, Talk, eventually
from tests.support.redis import clients


async def run(replica: Replica, gateway: Gateway, *commands: Command) -> None:
    """One cycle with one batch, until its completion came down."""
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


async def entries(partitions: Partitions, person: Person) -> list[tuple[str, dict[bytes, bytes]]]:
    """A person's inbox: (entry id, fields)."""
    found: Any = await partitions.of(person.id).client.xrange(keys.key(keys.INBOX, person.id))
    return [(entry.decode(), fields) for entry, fields in found]


LARGE_MEDIA = json.dumps([{"url": "https://cdn.example/" + "x" * 2000, "type": "image"}] * 10)


async def inbox_bytes(partitions: Partitions, person: Person) -> int:
    """Bytes of the texts in a person's inbox."""
    return sum(len(fields[b"e"]) for _, fields in await entries(partitions, person))


async def has(replica: Replica, talk: Talk, messages: int) -> bool:
    return await replica.last_seq(talk) == messages


async def value(met: bool) -> bool:
    return met


def deferred() -> float:
    return REGISTRY.get_sample_value("chat_messaging_deferred_total") or 0.0


async def total(partitions: Partitions, person: Person) -> int:
    return int(await partitions.of(person.id).client.get(keys.key(keys.UNREAD_TOTAL, person.id)) or -1)


async def test_a_message_reaches_both_sides(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "Hello there!", "temp-123"))
    (sent,), (new,) = gateway.events(talk.one), gateway.events(talk.other)
    message = sent["payload"]["message"]
    assert (sent["type"], sent["payload"]["tempId"]) == ("message.sent", "temp-123")
    assert new["type"] == "message.new"
    assert {name: value for name, value in new["payload"]["message"].items() if name != "sender"} == message
    assert new["payload"]["message"]["sender"]["username"] == talk.one.username
    assert new["payload"]["unread"] == {"conversation": 1, "total": 1}
    assert (message["seq"], message["isRead"], message["media"]) == (1, False, [])
    assert [d.notifiable for d in gateway.deliveries(talk.one) + gateway.deliveries(talk.other)] == [False, True]


async def test_what_went_out_live_is_what_history_says(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "สวัสดี 👋", "t1"))
    (new,) = gateway.events(talk.other)
    (message,) = await replica.messages.at([(talk.other.id, talk.id, 1)])
    assert (message.id, message.created_at, message.content) == tuple(
        new["payload"]["message"][name] for name in ("id", "createdAt", "content")
    )


async def test_offsets_have_no_gaps_and_cursors_name_entries(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    for size in (3, 1, 2):
        await run(replica, gateway, *(talk.send(talk.one) for _ in range(size)))
    for person in (talk.one, talk.other):
        offsets = [delivery.offset for delivery in gateway.deliveries(person)]
        assert offsets == list(range(offsets[0], offsets[0] + 6))
        inbox = await entries(partitions, person)
        assert [event["cursor"] for event in gateway.events(person)] == [entry for entry, _ in inbox]
        for delivery, (entry, fields) in zip(gateway.deliveries(person), inbox, strict=True):
            total = {} if delivery.total is None else {b"u": str(delivery.total).encode()}
            assert fields == {b"e": delivery.text.encode(), b"p": fields[b"p"], **total}
            assert delivery.json.endswith(f',"cursor":"{entry}"}}')
            assert fields[b"p"].decode() == ("" if person is talk.one else talk.one.id)


async def test_a_recreated_inbox_never_reuses_offsets(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await run(replica, gateway, *(talk.send(talk.one) for _ in range(5)))
    await partitions.of(talk.other.id).client.delete(keys.key(keys.INBOX_OFFSET, talk.other.id))
    await run(replica, gateway, talk.send(talk.one))
    before, after = gateway.deliveries(talk.other)[-2:]
    assert after.offset > before.offset + 1
    assert len(await entries(partitions, talk.other)) == 1


async def test_an_operator_says_how_many_events_an_inbox_keeps(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    replica = Replica(replica.pool, partitions, inbox_events=100)
    for _ in range(3):
        await run(replica, gateway, *(talk.send(talk.one) for _ in range(200)))
    assert len(await entries(partitions, talk.other)) <= 200


async def test_an_operator_says_how_long_an_inbox_lasts(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    replica = Replica(replica.pool, partitions, inbox_seconds=100)
    await run(replica, gateway, talk.send(talk.one))
    client = partitions.of(talk.other.id).client
    for prefix in (keys.INBOX, keys.INBOX_OFFSET):
        assert 0 < await client.ttl(keys.key(prefix, talk.other.id)) <= 100


async def test_an_inbox_is_bounded_and_ends(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    for _ in range(4):
        await run(replica, gateway, *(talk.send(talk.one, "x" * 100) for _ in range(200)))
    assert len(await entries(partitions, talk.other)) <= limits.INBOX_EVENTS + 100
    client = partitions.of(talk.other.id).client
    for prefix in (keys.INBOX, keys.INBOX_OFFSET):
        assert 0 < await client.ttl(keys.key(prefix, talk.other.id)) <= limits.INBOX_SECONDS


async def test_what_a_client_repeats_is_answered_to_its_sender_alone(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """In one batch, in one cycle, and later."""
    send = talk.send(talk.one, "hi", "t1")
    first, second = gateway.batch(send, send), gateway.batch(send)
    await replica.cycle.run([first, second])
    await run(replica, gateway, send)
    events = gateway.events(talk.one) + gateway.events(talk.other)
    assert [event["type"] for event in events] == ["message.sent"] * 4 + ["message.new"]
    assert len({event["payload"]["message"]["id"] for event in events}) == 1
    assert {event["payload"]["message"]["seq"] for event in events} == {1}
    assert gateway.events(talk.other)[0]["payload"]["unread"] == {"conversation": 1, "total": 1}
    assert await total(partitions, talk.other) == 1
    assert len(await entries(partitions, talk.other)) == 1


async def test_racing_repetitions_reach_the_receiver_once(
    replica: Replica, talk: Talk, gateway: Gateway, pool: Pool, partitions: Partitions
) -> None:
    replicas = [replica, Replica(pool, partitions)]
    batches = [gateway.batch(talk.send(talk.one, "hi", "t1")) for _ in range(6)]
    await asyncio.gather(*(replicas[place % 2].cycle.run([batch]) for place, batch in enumerate(batches)))
    await gateway.until(lambda: len(gateway.events(talk.one)) == 6)
    await run(replica, gateway)
    assert len(gateway.events(talk.other)) == 1


async def test_a_repetition_after_a_crash_still_delivers_the_message(
    talk: Talk, gateway: Gateway, pool: Pool, partitions: Partitions
) -> None:
    """A replica died between commit and fan-out. The client repeats by another gateway, before and beside the redelivery."""
    replica = Replica(pool, partitions, max_deferral_seconds=0.5)
    send = talk.send(talk.one, "hi", "t1")
    await replica.handlers.send([(gateway.batch(), 0, send)], CycleEffects(partitions))
    await run(replica, gateway, send)
    assert (len(gateway.events(talk.one)), gateway.events(talk.other)) == (1, [])
    redelivered, beside = gateway.batch(send, talk.send(talk.one, "fresh", "t2"), again=True), gateway.batch(send)
    await replica.cycle.run([beside, redelivered])
    await gateway.completed(redelivered)
    assert [event["payload"]["message"]["seq"] for event in gateway.events(talk.other)] == [1, 2]
    assert await total(partitions, talk.other) == 2
    assert await replica.counts.compare(talk.other.id) == []


async def test_a_batch_that_fails_after_its_commit_is_answered_command_by_command(
    replica: Replica, talk: Talk, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, failpoints = replica.messages.at, iter([ValueError("only once")])

    async def fail_once(places: Any) -> Any:
        for fault in failpoints:
            raise fault
        return await look_up(places)

    monkeypatch.setattr(replica.messages, "at", fail_once)
    await run(replica, gateway, talk.send(talk.one, "a", "t1"), talk.send(talk.one, "b"), talk.read(talk.one))
    assert [event["payload"]["message"]["content"] for event in gateway.events(talk.other)] == ["a", "b"]
    assert len(gateway.events(talk.one, "message.read_ack")) == 1


async def test_a_redelivered_batch_changes_nothing(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """As after a crash between commit and acknowledgement; the second message has no tempId to be known by."""
    batch = gateway.batch(talk.send(talk.one, "a", "t1"), talk.send(talk.one, "b"), talk.read(talk.one))
    for _ in range(2):
        await replica.cycle.run([batch])
    await gateway.until(lambda: sum(len(downlink.completed) for downlink in gateway.downlinks) == 2)
    assert [e["payload"]["message"]["seq"] for e in gateway.events(talk.other, "message.new")] == [1, 2]
    assert len(gateway.events(talk.one)) == 3
    assert await total(partitions, talk.other) == 2
    assert await replica.counts.of(talk.other.id) == {talk.id: 2}


async def test_a_message_that_no_gateway_took_is_reported_after_a_crash(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """A replica died between delivering and reporting to the notifier."""
    await partitions.of(talk.other.id).client.delete(keys.key(keys.ROUTES, talk.other.id))
    batch = gateway.batch(talk.send(talk.one, "hi", "t1"))
    effects = CycleEffects(partitions)
    await replica.handlers.send([(batch, 0, talk.send(talk.one, "hi", "t1"))], effects)
    effects.complete(batch.gateway_id, batch.batch_id)
    undelivered, _ = await replica.fanout.deliver(effects)
    assert len(undelivered) == 1
    batch.again = True
    for _ in range(2):
        await replica.cycle.run([batch])
        assert [announced_message.send.content for announced_message in replica.recorded.announced] == ["hi"]
    await gateway.until(lambda: sum(len(downlink.completed) for downlink in gateway.downlinks) == 3)
    assert len(gateway.events(talk.one, "message.sent")) == 2


async def test_a_batch_is_known_as_finished_while_it_is_among_the_newest(
    replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    older = gateway.batch(talk.send(talk.one))
    newer = CommandBatch(older.gateway_id, older.batch_id + processed_batches.MAX_BATCHES, [talk.send(talk.one)])
    both = [(batch.gateway_id, batch.batch_id) for batch in (older, newer)]
    memory = replica.fanout.processed
    await replica.cycle.run([older])
    assert await memory.find(both) == {both[0]}
    await replica.cycle.run([newer])
    assert await memory.find(both) == {both[1]}


async def test_a_repetition_tells_what_became_of_the_original(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "hi", "t1"))
    await run(replica, gateway, talk.read(talk.other))
    await run(replica, gateway, talk.send(talk.one, "hi", "t1"))
    first, again = gateway.events(talk.one, "message.sent")
    (update,) = gateway.events(talk.one, "message.read_update")
    assert again["payload"]["message"] == {
        **first["payload"]["message"],
        "isRead": True,
        "readAt": update["payload"]["readAt"],
        "deliveredAt": update["payload"]["readAt"],
    }


async def test_a_repetition_passes_no_block(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "hi", "t1"))
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    gateway.forget()
    await run(replica, gateway, talk.send(talk.one, "hi", "t1"))
    assert len(gateway.events(talk.one, "message.sent")) == 1
    assert gateway.events(talk.other) == []


async def test_totals_run_over_all_conversations(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    friends = [await replica.talk() for _ in range(2)]
    talks = [talk]
    for friend in friends:
        conversation_id, _ = await replica.conversations.create(friend.one.id, talk.other.id)
        talks.append(Talk(conversation_id, friend.one, talk.other))
    await run(replica, gateway, talk.send(talk.one), talk.read(talk.other))
    await run(replica, gateway, talk.read(talk.other))
    gateway.forget()
    await run(replica, gateway, *(one.send(one.one) for one in talks for _ in range(2)))
    counts = [event["payload"]["unread"] for event in gateway.events(talk.other)]
    assert [(count["conversation"], count["total"]) for count in counts] == [
        (1, 1),
        (2, 2),
        (1, 3),
        (2, 4),
        (1, 5),
        (2, 6),
    ]
    gateway.forget()
    await run(replica, gateway, talks[1].read(talk.other))
    (ack,) = gateway.events(talk.other, "message.read_ack")
    assert ack["payload"]["unread"] == {"conversation": 0, "total": 4}


async def test_counts_that_redis_lost_are_rebuilt(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    # Redis has forgotten as well that the messages before were delivered: nobody is waited for.
    impatient = Replica(replica.pool, partitions, max_deferral_seconds=0)
    await run(replica, gateway, *(talk.send(talk.one) for _ in range(3)))
    for client in clients(partitions):
        await client.flushdb()
    await gateway.plug(talk.one, talk.other)
    gateway.forget()
    await run(impatient, gateway, talk.send(talk.one, "after"))
    assert gateway.events(talk.other)[0]["payload"]["unread"] == {"conversation": 4, "total": 4}
    assert await total(partitions, talk.other) == 4


async def test_a_late_count_of_an_older_version_is_not_applied(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """One replica's delivery comes after a later one of another: the later count stays."""
    await run(replica, gateway, talk.send(talk.one, "a", "t1"))
    late = gateway.batch(talk.send(talk.one, "b", "t2"))
    stall = Stall(replica)
    waiting = asyncio.create_task(replica.cycle.run([late]))
    other_replica = Replica(replica.pool, partitions)
    await eventually(lambda: has(replica, talk, 2))
    await run(other_replica, gateway, talk.read(talk.other))
    stall.release()
    await waiting
    await gateway.completed(late)
    assert [event["payload"]["unread"]["total"] for event in gateway.events(talk.other)] == [1, 0, 0]
    assert await total(partitions, talk.other) == 0
    assert await replica.counts.of(talk.other.id) == {}
    assert await replica.counts.compare(talk.other.id) == []


async def test_the_last_message_is_cached(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await run(
        replica, gateway, talk.send(talk.one, "a", "t1"), talk.send(talk.other, "b"), talk.send(talk.one, "a", "t1")
    )
    client, key = partitions.of(talk.id).client, keys.key(keys.LAST_MESSAGE, talk.id)
    found: Any = await client.hgetall(key)
    cached = {name.decode(): value.decode() for name, value in found.items()}
    newest = gateway.events(talk.other, "message.sent")[0]["payload"]["message"]
    assert cached == {
        "id": newest["id"],
        "sender_id": talk.other.id,
        "content": "b",
        "type": "text",
        "created_at": newest["createdAt"],
    }
    delivered = keys.key(keys.DELIVERED, talk.id)
    assert await client.get(delivered) == b"2"
    for name in (key, delivered):
        assert 0 < await client.ttl(name) <= limits.LAST_MESSAGE_SECONDS


async def test_a_dead_gateway_is_forgotten_and_its_messages_are_reported(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    client, routes = partitions.of(talk.other.id).client, keys.key(keys.ROUTES, talk.other.id)
    await client.delete(routes)
    await client.hset(routes, mapping={"one": "gateway-dead", "two": "gateway-dead"})
    await run(replica, gateway, talk.send(talk.one, "anybody?"), talk.send(talk.other, "me"))
    assert await client.hgetall(routes) == {}
    (announced_message,) = replica.recorded.announced
    assert (announced_message.send.content, announced_message.appended.receiver_id) == ("anybody?", talk.other.id)


async def test_a_refused_report_delays_and_repeats_nothing(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """While the notifier can't be told, inboxes must not fill with repetitions."""
    partition = partitions.of(talk.other.id)
    await partition.client.delete(partition.key(keys.ROUTES, talk.other.id))
    outgoing = OutgoingEvents(Publisher(SecretStr("amqp://127.0.0.1:1"), "test", QUEUES), Previews(partitions), 0)
    cycle = Cycle(replica.handlers, replica.fanout, replica.indicators, outgoing, replica.repair, Failpoints())
    batch = gateway.batch(talk.send(talk.one))
    await cycle.run([batch])
    await gateway.completed(batch)
    found = [fields[b"e"] for _, fields in await entries(partitions, talk.other)]
    assert sum(b'"message.new"' in text for text in found) == 1


async def test_one_living_gateway_is_enough(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    client, routes = partitions.of(talk.other.id).client, keys.key(keys.ROUTES, talk.other.id)
    await client.hset(routes, "old", "gateway-dead")
    await run(replica, gateway, talk.send(talk.one))
    assert await client.hgetall(routes) == {talk.other.connection_id.encode(): gateway.name.encode()}
    assert replica.recorded.announced == []
    assert len(gateway.events(talk.other)) == 1


async def test_two_devices_on_one_gateway_are_one_delivery(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await partitions.of(talk.other.id).client.hset(keys.key(keys.ROUTES, talk.other.id), "second", gateway.name)
    await run(replica, gateway, talk.send(talk.one))
    assert len(gateway.deliveries(talk.other)) == 1


async def test_all_gateways_of_a_user_get_it(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as listener:
        second = Gateway(partitions, listener)
        await second.open()
        await second.plug(Person(talk.other.id, talk.other.username))
        await run(replica, gateway, talk.send(talk.one))
        await second.until(lambda: bool(second.events(talk.other)))
        assert second.events(talk.other) == gateway.events(talk.other)
        await second.close()


async def test_receipts_say_how_far_the_devices_are(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await run(replica, gateway, *(talk.send(talk.one) for _ in range(4)))
    key = keys.key(keys.PROGRESS, talk.other.id)
    for command, seq in (
        (talk.delivered(talk.other, 3), b"3"),
        (talk.delivered(talk.other, 1), b"3"),
        (talk.read(talk.other), b"4"),
    ):
        await run(replica, gateway, command)
        assert await partitions.of(talk.other.id).client.hget(key, talk.id) == seq


async def test_what_an_inactive_client_has_still_needs_a_push_until_it_is_read(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await run(replica, gateway, *(talk.send(talk.one) for _ in range(4)))
    key = keys.key(keys.PROGRESS, talk.other.id)
    inactive = talk.delivered(talk.other, 3)
    inactive.active = False
    read = talk.read(talk.other)
    read.seq = 2
    active = talk.delivered(talk.other, 3)
    for command, seq in ((inactive, None), (read, b"2"), (inactive, b"2"), (active, b"3")):
        await run(replica, gateway, command)
        assert await partitions.of(talk.other.id).client.hget(key, talk.id) == seq
    updates = [event for event in gateway.events(talk.one) if event["type"] == "message.delivered_update"]
    assert updates[0]["payload"]["seq"] == 3


async def test_an_earlier_message_is_waited_for(
    replica: Replica, talk: Talk, gateway: Gateway, pool: Pool, partitions: Partitions
) -> None:
    """Another replica has stored seq 2 and is about to deliver it: seq 3 lets it go first."""
    await run(replica, gateway, talk.send(talk.one, "1"))
    stall = Stall(replica)
    second, third = gateway.batch(talk.send(talk.one, "2")), gateway.batch(talk.send(talk.other, "3"))
    first_replica = asyncio.create_task(replica.cycle.run([second]))
    await eventually(lambda: has(replica, talk, 2))
    before = deferred()
    other_replica = asyncio.create_task(Replica(pool, partitions).cycle.run([third]))
    await eventually(lambda: value(deferred() > before))
    stall.release()
    await asyncio.gather(first_replica, other_replica)
    await gateway.completed(third)
    await gateway.completed(second)
    for person in (talk.one, talk.other):
        assert [event["payload"]["message"]["seq"] for event in gateway.events(person)] == [1, 2, 3]


async def test_a_message_that_never_comes_is_overtaken(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    """A replica died after storing seq 2; the broker will bring its batch again, and seq 3 doesn't wait for that."""
    await run(replica, gateway, talk.send(talk.one, "1"))
    lost = gateway.batch(talk.send(talk.one, "2", "t2"), again=True)
    await replica.handlers.send([(lost, 0, talk.send(talk.one, "2", "t2"))], CycleEffects(replica.partitions))
    impatient = Replica(replica.pool, replica.partitions, max_deferral_seconds=0.01)
    await run(impatient, gateway, talk.send(talk.one, "3"))
    await replica.cycle.run([lost])
    await gateway.completed(lost)
    assert [event["payload"]["message"]["seq"] for event in gateway.events(talk.other)] == [1, 3, 2]
    assert [event["payload"]["unread"]["total"] for event in gateway.events(talk.other)][-1] == 3


async def test_errors_go_to_the_asking_connection_alone(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    stranger = await replica.talk()
    await run(
        replica, gateway, talk.send(stranger.one, "hi", "t1"), talk.read(stranger.one), talk.delivered(stranger.one, 1)
    )
    refs = [answer["ref"] for answer in gateway.answers(stranger.one)]
    assert {answer["error"]["code"] for answer in gateway.answers(stranger.one)} == {"conversation_not_found"}
    assert sorted(refs, key=lambda ref: ref["type"]) == [
        {"type": "message.delivered", "conversationId": talk.id},
        {"type": "message.read", "conversationId": talk.id},
        {"type": "message.send", "tempId": "t1", "conversationId": talk.id},
    ]
    assert list(itertools.chain(*(downlink.durable_events for downlink in gateway.downlinks))) == []


async def test_an_inbox_is_bounded_in_bytes(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    for _ in range(10):
        await run(replica, gateway, *(talk.send(talk.one, "caption", media=LARGE_MEDIA) for _ in range(40)))
        size = await inbox_bytes(partitions, talk.other)
        assert size <= limits.INBOX_BYTES
    assert size > limits.INBOX_BYTES / 2
    found = await entries(partitions, talk.other)
    offsets = [int(entry_id.partition("-")[0]) for entry_id, _ in found]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


async def test_small_texts_count_while_large_ones_are_kept(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    """Small ones alone are bounded by their number, and no command of Redis counts their bytes."""
    client = partitions.of(talk.other.id).client
    counter = keys.key(keys.INBOX_BYTES, talk.other.id)
    await run(replica, gateway, *(talk.send(talk.one, "small") for _ in range(100)))
    assert not await client.exists(counter)
    for _ in range(5):
        await run(replica, gateway, *(talk.send(talk.one, "caption", media=LARGE_MEDIA) for _ in range(40)))
    assert await client.exists(counter)
    for _ in range(limits.INBOX_EVENTS * 2 // 40):
        await run(replica, gateway, *(talk.send(talk.one, "x" * 1000) for _ in range(40)))
        assert await inbox_bytes(partitions, talk.other) <= limits.INBOX_BYTES
    assert not await client.exists(counter, keys.key(keys.INBOX_LARGE, talk.other.id))
    assert len(await entries(partitions, talk.other)) >= limits.INBOX_EVENTS


async def test_an_inbox_is_bounded_without_a_look_at_its_texts(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    """Redis does nothing else while a script reads megabytes: it reads one entry, and a short list of sizes."""
    client = partitions.of(talk.other.id).client
    for _ in range(6):
        await run(replica, gateway, *(talk.send(talk.one, "caption", media=LARGE_MEDIA) for _ in range(40)))
    sizes = [len(fields[b"e"]) for _, fields in await entries(partitions, talk.other)]
    listed = await client.lrange(keys.key(keys.INBOX_LARGE, talk.other.id), 0, -1)
    assert [int(item.split()[1]) for item in listed] == sizes
    before = (await client.info("commandstats")).get("cmdstat_xrevrange", {"calls": 0})["calls"]
    await run(replica, gateway, *(talk.send(talk.one, "caption", media=LARGE_MEDIA) for _ in range(40)))
    assert (await client.info("commandstats")).get("cmdstat_xrevrange", {"calls": 0})["calls"] == before
    assert await inbox_bytes(partitions, talk.other) <= limits.INBOX_BYTES
