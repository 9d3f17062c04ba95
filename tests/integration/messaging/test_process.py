"""Messaging as a process: death at each step, and a clean end."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from services.messaging.failpoints import Failpoint
from tests.support.messaging import Gateway, Replica, Talk
from tests.support.messaging_process import Broker, MessagingProcess

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)

Start = Callable[..., Awaitable[MessagingProcess]]


@pytest.fixture
async def start(database_url: str, amqp_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts messaging processes, which end with the test."""
    backends = {
        "CHAT_DATABASE_URL": database_url,
        "CHAT_AMQP_URL": amqp_url,
        "CHAT_REDIS_URLS": redis_url,
    }
    started: list[MessagingProcess] = []

    async def start_one(**settings: str) -> MessagingProcess:
        started.append(await MessagingProcess.start(backends, tmp_path / "messaging.log", **settings))
        return started[-1]

    yield start_one
    await asyncio.gather(*(process.stop(signal.SIGKILL) for process in started))


@pytest.mark.parametrize("point", list(Failpoint))
async def test_death_at_any_step_loses_and_doubles_nothing(
    point: Failpoint, start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    """Killed as by `kill -9` at that step; another process takes over."""
    earlier = gateway.batch(talk.send(talk.one, "first"), talk.send(talk.one, "second"))
    await replica.cycle.run([earlier])
    await gateway.completed(earlier)
    doomed = await start(CHAT_FAILPOINTS="1", CHAT_FAILPOINT=point.value)
    batch = gateway.batch(
        talk.send(talk.one, "known by its tempId", "t1"),
        talk.send(talk.one, "known by its place"),
        talk.read(talk.one),
        talk.read(talk.other, 1),
        talk.delivered(talk.other, 2),
        talk.send(talk.other, "back", "t1"),
    )
    await broker.send(batch)
    assert await doomed.died() == -signal.SIGKILL
    await start()
    last = gateway.batch(talk.send(talk.one, "after"))
    await broker.send(last)
    await gateway.completed(batch)
    await gateway.completed(last)
    expected = ["first", "second", "known by its tempId", "known by its place", "back", "after"]
    for person in (talk.one, talk.other):
        assert gateway.messages(person) == list(enumerate(expected, start=1))
    assert await replica.last_seq(talk) == 6
    assert await replica.counts.of(talk.other.id) == {talk.id: 4}
    for person in (talk.one, talk.other):
        assert await replica.counts.compare(person.id) == []
    if point is Failpoint.BEFORE_ACK:
        assert [e["payload"]["message"]["seq"] for e in gateway.events(talk.other, "message.new")] == [1, 2, 3, 4, 6]
    sent = [e["payload"]["tempId"] for e in gateway.events(talk.one, "message.sent")]
    assert sent[2:4] == ["t1", None]
    read, delivered = [
        {(event["payload"]["seq"], event["payload"][time]) for event in gateway.events(talk.one, kind)}
        for kind, time in (("message.read_update", "readAt"), ("message.delivered_update", "deliveredAt"))
    ]
    first, second = await replica.messages.at([(talk.one.id, talk.id, seq) for seq in (1, 2)])
    assert read == {(1, first.read_at)}
    assert delivered == {(2, second.delivered_at)}


async def test_a_repetition_before_the_redelivery_is_answered_at_once(
    start: Start, broker: Broker, replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    doomed = await start(CHAT_FAILPOINTS="1", CHAT_FAILPOINT=Failpoint.AFTER_COMMIT.value)
    batch, repetition = (gateway.batch(talk.send(talk.one, "hi", "t1")) for _ in range(2))
    await broker.send(batch)
    assert await doomed.died() == -signal.SIGKILL
    await replica.cycle.run([repetition])
    await gateway.completed(repetition)
    assert (len(gateway.events(talk.one, "message.sent")), gateway.events(talk.other)) == (1, [])
    await start()
    await gateway.completed(batch)
    assert len(gateway.events(talk.one, "message.sent")) == 2
    assert len(gateway.events(talk.other, "message.new")) == 1


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
    assert {seq for seq, _ in gateway.messages(talk.other)} == set(range(1, 61))
