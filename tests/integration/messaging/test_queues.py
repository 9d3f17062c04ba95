"""Messaging between its queues: order with two replicas, undecodable batches, and events for other services."""

import asyncio

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.user_events import AnnouncedMessage
from services.messaging.typing_indicators.indicators import Indicator
from shared.protocol import relay, topology
from shared.protocol.codec import msgpack_encoder
from shared.protocol.push import NEW_MESSAGE
from shared.redis import Partitions
from shared.redis.previews import Previews
from tests.integration.messaging.conftest import Start, get
from tests.support.messaging import Gateway, Person, Replica, Talk, eventually
from tests.support.messaging_process import Broker
from tools.dead_letters import drop_letters, list_letters, retry_letters


def completed(gateway: Gateway) -> set[int]:
    return {batch_id for downlink in gateway.downlinks for batch_id in downlink.completed}


async def test_order_with_two_replicas_and_pipelined_senders(
    start: Start, broker: Broker, replica: Replica, gateway: Gateway
) -> None:
    """Each connection has one batch under way; both sides of each conversation write at once."""
    await asyncio.gather(*(start(max_deferral_seconds=30) for _ in range(2)))
    talks = [await replica.talk() for _ in range(5)]
    people = [(talk, person) for talk in talks for person in (talk.one, talk.other)]
    await gateway.plug(*(person for _, person in people))
    todo = {person.id: iter(range(12)) for _, person in people}
    under_way: dict[int, tuple[Talk, Person]] = {}

    async def go_on(talk: Talk, person: Person) -> None:
        first = next(todo[person.id], None)
        if first is None:
            return
        batch = gateway.batch(*(talk.send(person, f"{3 * first + place}") for place in range(3)))
        under_way[batch.batch_id] = (talk, person)
        await broker.send(batch)

    await asyncio.gather(*(go_on(*one) for one in people))
    while under_way:
        await gateway.until(lambda: bool(completed(gateway) & under_way.keys()))
        done = completed(gateway) & under_way.keys()
        await asyncio.gather(*(go_on(*under_way.pop(batch_id)) for batch_id in done))
    for talk in talks:
        for person, peer in ((talk.one, talk.other), (talk.other, talk.one)):
            told = gateway.messages(person)
            assert [seq for seq, _ in told] == list(range(1, 73))
            for writer in (person, peer):
                kind = "message.sent" if writer is person else "message.new"
                contents = [e["payload"]["message"]["content"] for e in gateway.events(person, kind)]
                assert contents == [str(number) for number in range(36)]


async def test_an_undecodable_batch_is_dead_lettered_with_its_reason(
    start: Start, broker: Broker, talk: Talk, gateway: Gateway, amqp_url: str
) -> None:
    await start()
    dead = topology.MESSAGING_DEAD.name
    good = gateway.batch(talk.send(talk.one))
    await broker.publish(topology.MESSAGING_COMMANDS, b"\xc1 not msgpack")
    await broker.send(good)
    await gateway.completed(good)
    for _ in range(2):  # looking changes nothing
        (letter,) = await list_letters(amqp_url, dead)
        assert letter.body == b"\xc1 not msgpack"
        assert letter.reason.startswith("undecodable")
    assert await retry_letters(amqp_url, dead, 5) == 1

    async def is_back() -> bool:
        return len(await list_letters(amqp_url, dead)) == 1

    await eventually(is_back)
    assert await drop_letters(amqp_url, dead, 5) == 1
    assert await list_letters(amqp_url, dead) == []
    with pytest.raises(KeyError):
        await drop_letters(amqp_url, topology.MESSAGING_COMMANDS.name)


async def test_a_retried_dead_letter_delivers_its_message(
    start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway, amqp_url: str
) -> None:
    batch = gateway.batch(talk.send(talk.one, "hi", "t1"))
    await replica.handlers.send([(batch, 0, talk.send(talk.one, "hi", "t1"))], CycleEffects(replica.partitions))
    await start()
    await broker.publish(topology.MESSAGING_DEAD, msgpack_encoder.encode(batch))
    assert await retry_letters(amqp_url, topology.MESSAGING_DEAD.name) == 1
    await gateway.completed(batch)
    assert gateway.messages(talk.other) == [(1, "hi")]


async def test_what_was_stored_before_redis_went_away_is_told_when_it_is_back(
    start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await replica.cycle.run([gateway.batch(talk.send(talk.one))])
    await start()
    deliver, outages = Fanout.deliver, iter([RedisConnectionError()])

    async def deliver_after_outages(
        fanout: Fanout, effects: CycleEffects
    ) -> tuple[list[AnnouncedMessage], list[Indicator]]:
        for outage in outages:
            raise outage
        return await deliver(fanout, effects)

    monkeypatch.setattr(Fanout, "deliver", deliver_after_outages)
    batch = gateway.batch(talk.delivered(talk.other, 1), talk.read(talk.other))
    await broker.send(batch)
    await gateway.completed(batch)
    told = [event["type"] for event in gateway.events(talk.one)]
    assert told == ["message.sent", "message.delivered_update", "message.read_update"]


async def test_a_command_that_nobody_foresaw_is_answered_alone(
    start: Start, broker: Broker, talk: Talk, gateway: Gateway
) -> None:
    """A gateway lets nothing of the kind pass; if one did, its neighbours must not suffer."""
    await start()
    bad = relay.SendMessage(talk.one.id, talk.one.connection_id, "no uuid", "text", "x", None, "bad")
    worse = relay.SendMessage(talk.one.id, talk.one.connection_id, talk.id, "text", "nul \0", None, "worse")
    batch = gateway.batch(talk.send(talk.one, "1"), bad, talk.send(talk.one, "2"), worse, talk.send(talk.one, "3"))
    with structlog.testing.capture_logs() as logs:
        await broker.send(batch)
        await gateway.completed(batch)
    assert gateway.messages(talk.other) == [(1, "1"), (2, "2"), (3, "3")]
    assert [entry["user_id"] for entry in logs if entry["event"] == "command.failed"] == [talk.one.id] * 2
    answers = gateway.answers(talk.one)
    assert [answer["ref"]["tempId"] for answer in answers] == ["bad", "worse"]
    assert {answer["error"]["code"] for answer in answers} == {"internal_error"}


async def test_the_notifier_hears_of_undelivered_messages_after_the_delay(
    start: Start, broker: Broker, replica: Replica, gateway: Gateway, partitions: Partitions
) -> None:
    await start(push_delay_seconds=0.2)
    await broker.purge((topology.NOTIFIER_UNDELIVERED, topology.NOTIFIER_WAITING))
    talk = await replica.talk()
    await broker.send(gateway.batch(talk.send(talk.one, "x" * 500, "t1")))
    message = await broker.take(topology.NOTIFIER_UNDELIVERED)
    (undelivered,) = relay.undelivered_batch_decoder.decode(message.body).messages
    (stored,) = await replica.messages.at([(talk.one.id, talk.id, 1)])
    assert undelivered == relay.Undelivered(
        stored.id,
        talk.id,
        1,
        talk.one.id,
        talk.one.username,
        talk.other.id,
        "text",
        NEW_MESSAGE,
        undelivered.created_at_ms,
        [],
        sender_name="Alice",
    )
    assert await Previews(partitions).find(undelivered) == "x" * relay.MAX_PREVIEW_CHARACTERS


async def test_presence_hears_of_blocks(start: Start, broker: Broker, talk: Talk, gateway: Gateway) -> None:
    await start()
    await broker.purge((topology.PRESENCE_COMMANDS,))
    await broker.send(
        gateway.batch(relay.SetBlock(talk.one.id, talk.one.connection_id, talk.other.username, blocked=True))
    )
    message = await broker.take(topology.PRESENCE_COMMANDS)
    (changed,) = relay.presence_batch_decoder.decode(message.body).commands
    assert isinstance(changed, relay.BlockChanged)
    assert (changed.blocker, changed.blocked, changed.active) == (talk.one.id, talk.other.id, True)


async def test_typing_signals_pass(start: Start, broker: Broker, talk: Talk, gateway: Gateway) -> None:
    await start()
    await broker.publish(topology.MESSAGING_SIGNALS, b"\xc1 not msgpack")
    await broker.tell(topology.MESSAGING_SIGNALS, relay.SignalBatch([relay.Typing(talk.one.id, talk.id, True)]))
    await gateway.until(lambda: bool(gateway.transient_events(talk.other)))


async def test_typing_is_refused_to_outsiders_and_ignored_behind_a_block(
    start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    await start()
    blocked, nowhere = await replica.talk(), "00000000-0000-0000-0000-000000000001"
    await replica.blocks.set(blocked.other.id, blocked.one.id, active=True)
    one, stranger = talk.one, blocked.one
    signals = [
        relay.Typing(stranger.id, blocked.id, True, 0, stranger.connection_id),
        relay.Typing(stranger.id, talk.id, False, 0, ""),
        relay.Typing(stranger.id, talk.id, True, 0, stranger.connection_id),
        relay.Typing(one.id, nowhere, False, relay.ENDS_NOTHING, one.connection_id),
    ]
    await broker.tell(topology.MESSAGING_SIGNALS, relay.SignalBatch(signals, gateway.name))
    await gateway.until(lambda: bool(gateway.answers(one)))
    for person, ref in (
        (stranger, {"type": "typing.start", "conversationId": talk.id}),
        (one, {"type": "typing.stop", "conversationId": nowhere}),
    ):
        (answer,) = gateway.answers(person)
        assert (answer["error"]["code"], answer["ref"]) == ("conversation_not_found", ref)
    assert gateway.transient_events(talk.other) == []


async def test_probes_and_metrics(start: Start, broker: Broker, talk: Talk, gateway: Gateway) -> None:
    messaging = await start()
    batch = gateway.batch(talk.send(talk.one), talk.send(Person(talk.id, "nobody")))
    await broker.send(batch)
    await gateway.completed(batch)
    assert (await get(messaging, "/healthz")).json() == {"status": "ok"}
    ready = (await get(messaging, "/readyz?verbose")).json()
    assert ready == {
        "status": "ready",
        "checks": {"stopping": "ok", "keys": "ok", "schema": "ok"},
        "backends": {"postgres": "ok", "redis": "ok", "amqp": "ok"},
        "notes": [],
    }
    metrics = (await get(messaging, "/metrics")).text
    for name in (
        "commands_total",
        "cycle_seconds_sum",
        "fanout_seconds_sum",
        "statement_seconds_sum",
        "queue_seconds_sum",
    ):
        assert f"chat_messaging_{name}" in metrics
    await messaging.drain()
    assert (await get(messaging, "/readyz")).status_code == 503


async def test_a_command_of_a_newer_version_is_handed_on(
    start: Start, broker: Broker, replica: Replica, talk: Talk
) -> None:
    await start()
    commands = [("pin", talk.one.id, talk.one.connection_id, talk.id, 1)]
    body = msgpack_encoder.encode(("gateway", 1, commands))
    await broker.publish(topology.MESSAGING_CHANGES, body)
    waiting = await broker.take(topology.MESSAGING_NEWER)
    assert (waiting.body, waiting.headers[topology.WAITS_HEADER]) == (body, "1")


def test_what_is_no_batch_is_not_newer() -> None:
    for body in (
        b"",
        b"junk",
        msgpack_encoder.encode(1),
        msgpack_encoder.encode(("g", 1, [1])),
        msgpack_encoder.encode({}),
    ):
        assert not relay.is_newer(body)
    assert not relay.is_newer(msgpack_encoder.encode(relay.CommandBatch("g", 1, [relay.MarkRead("u", "c", "x", 1)])))
    assert relay.is_newer(msgpack_encoder.encode(("g", 1, [("pin", "u")])))
