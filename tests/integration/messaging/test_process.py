"""Messaging as a process: order with two replicas, death at each step, poison, and what other services hear."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aio_pika
import httpx
import pytest

from services.messaging.faults import FaultPoint
from shared.protocol import relay, topology
from tests.support.messaging import Gateway, Person, Replica, Talk, eventually
from tests.support.messaging_process import Broker, MessagingProcess
from tests.support.presence import two_servers
from tools.dead_letters import drop_letters, list_letters, retry_letters

pytestmark = pytest.mark.parametrize("shards", [2], indirect=True)

Start = Callable[..., Awaitable[MessagingProcess]]


@pytest.fixture
async def broker(amqp_url: str) -> AsyncIterator[Broker]:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        broker = Broker(await connection.channel(publisher_confirms=True))
        await broker.purge(queue for queue in topology.QUEUES if queue.name.startswith("messaging."))
        yield broker


@pytest.fixture
async def start(database_url: str, amqp_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts messaging processes, which end with the test."""
    backends = {
        "CHAT_DATABASE_URL": database_url,
        "CHAT_AMQP_URL": amqp_url,
        "CHAT_REDIS_URLS": ",".join(two_servers(redis_url)),
    }
    started: list[MessagingProcess] = []

    async def start_one(**settings: str) -> MessagingProcess:
        started.append(await MessagingProcess.start(backends, tmp_path / "messaging.log", **settings))
        return started[-1]

    yield start_one
    await asyncio.gather(*(process.stop(signal.SIGKILL) for process in started))


def numbered(gateway: Gateway, person: Person) -> list[tuple[int, str]]:
    """(seq, content) of the messages that a person was told of, repeated ones dropped as clients drop them."""
    messages = [e["payload"]["message"] for e in gateway.events(person) if "message" in e["payload"]]
    return list(dict.fromkeys((message["seq"], message["content"]) for message in messages))


def completed(gateway: Gateway) -> set[int]:
    return {batch_id for downlink in gateway.downlinks for batch_id in downlink.completed}


@pytest.mark.parametrize("point", list(FaultPoint))
async def test_death_at_any_step_loses_and_doubles_nothing(
    point: FaultPoint, start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    """Killed as by `kill -9` at that step; another process takes over."""
    doomed = await start(CHAT_FAULTS="1", CHAT_FAULT_POINT=point.value)
    batch = gateway.batch(
        talk.send(talk.one, "known by its tempId", "t1"),
        talk.send(talk.one, "known by its place"),
        talk.read(talk.one),
        talk.send(talk.other, "back", "t1"),
    )
    await broker.send(batch)
    assert await doomed.died() == -signal.SIGKILL
    await start()
    last = gateway.batch(talk.send(talk.one, "after"))
    await broker.send(last)
    await gateway.completed(batch)
    await gateway.completed(last)
    expected = ["known by its tempId", "known by its place", "back", "after"]
    for person in (talk.one, talk.other):
        assert numbered(gateway, person) == list(enumerate(expected, start=1))
    assert await replica.last_seq(talk) == 4
    assert await replica.counts.of(talk.other.id) == {talk.id: 3}
    for person in (talk.one, talk.other):
        assert await replica.counts.compare(person.id) == []
    sent = [e["payload"]["tempId"] for e in gateway.events(talk.one, "message.sent")]
    assert sent[:2] == ["t1", None]


async def test_order_with_two_replicas_and_pipelined_senders(
    start: Start, broker: Broker, replica: Replica, gateway: Gateway
) -> None:
    """Each connection has one batch under way; both sides of each conversation write at once."""
    await asyncio.gather(*(start(CHAT_MAX_DEFERRAL_SECONDS="30") for _ in range(2)))
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
            told = numbered(gateway, person)
            assert [seq for seq, _ in told] == list(range(1, 73))
            for writer in (person, peer):
                kind = "message.sent" if writer is person else "message.new"
                contents = [e["payload"]["message"]["content"] for e in gateway.events(person, kind)]
                assert contents == [str(number) for number in range(36)]


async def test_a_clean_stop_finishes_what_is_under_way(
    start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    first = await start()
    batches = [gateway.batch(talk.send(talk.one, str(number))) for number in range(60)]
    sending = asyncio.create_task(broker.send(*batches))
    await gateway.completed(batches[5])
    assert await first.stop() == 0
    await sending
    await start()
    await gateway.completed(batches[-1])
    assert await replica.last_seq(talk) == 60
    assert {seq for seq, _ in numbered(gateway, talk.other)} == set(range(1, 61))


async def test_poison_is_put_aside_with_its_reason(
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
    assert await retry_letters(amqp_url, dead) == 1

    async def is_back() -> bool:
        return len(await list_letters(amqp_url, dead)) == 1

    await eventually(is_back)
    assert await drop_letters(amqp_url, dead, 5) == 1
    assert await list_letters(amqp_url, dead) == []
    with pytest.raises(KeyError):
        await drop_letters(amqp_url, topology.MESSAGING_COMMANDS.name)


async def test_a_command_that_nobody_foresaw_is_answered_alone(
    start: Start, broker: Broker, talk: Talk, gateway: Gateway
) -> None:
    """A gateway lets nothing of the kind pass; if one did, its neighbours must not suffer."""
    await start()
    bad = relay.SendMessage(talk.one.id, talk.one.connection_id, "no uuid", "text", "x", None, "bad")
    worse = relay.SendMessage(talk.one.id, talk.one.connection_id, talk.id, "text", "nul \0", None, "worse")
    batch = gateway.batch(talk.send(talk.one, "1"), bad, talk.send(talk.one, "2"), worse, talk.send(talk.one, "3"))
    await broker.send(batch)
    await gateway.completed(batch)
    assert numbered(gateway, talk.other) == [(1, "1"), (2, "2"), (3, "3")]
    answers = gateway.answers(talk.one)
    assert [answer["ref"]["tempId"] for answer in answers] == ["bad", "worse"]
    assert {answer["error"]["code"] for answer in answers} == {"internal_error"}


async def test_the_notifier_hears_of_undelivered_messages_after_the_delay(
    start: Start, broker: Broker, replica: Replica, gateway: Gateway
) -> None:
    await start(CHAT_PUSH_DELAY_SECONDS="0.2")
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
        "x" * 400,
        undelivered.created_at_ms,
        [],
    )


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
    await gateway.until(lambda: bool(gateway.transients(talk.other)))


async def test_probes_and_metrics(start: Start, broker: Broker, talk: Talk, gateway: Gateway) -> None:
    process = await start()
    batch = gateway.batch(talk.send(talk.one), talk.send(Person(talk.id, "nobody")))
    await broker.send(batch)
    await gateway.completed(batch)
    async with httpx.AsyncClient(base_url=process.url) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = (await client.get("/readyz")).json()
        assert ready == {"status": "ready", "checks": {"postgres": "ok", "redis": "ok", "amqp": "ok"}}
        metrics = (await client.get("/metrics")).text
    for line in (
        'chat_messaging_commands_total{kind="send",result="new"} 1.0',
        'chat_messaging_commands_total{kind="send",result="conversation_not_found"} 1.0',
        "chat_messaging_cycle_commands_sum 2.0",
    ):
        assert line in metrics
