"""Unread counts: the copy in Redis follows PostgreSQL, and differences are found and repaired."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.stores.unread import TOTAL, Difference, UnreadCounts
from shared.protocol import keys
from shared.protocol.relay import Command
from shared.redis import Partitions
from tests.support.fuzzing import scaled
from tests.support.messaging import Gateway, Person, Replica, Talk, new_person
from tools.chatctl.unread import Count, counts_of
from tools.failure import Failure


async def run(replica: Replica, gateway: Gateway, *commands: Command) -> None:
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


@pytest.fixture
async def counted(replica: Replica, talk: Talk, gateway: Gateway) -> Talk:
    """Bob has three unread messages."""
    await run(replica, gateway, *(talk.send(talk.one) for _ in range(3)))
    return talk


async def spoil(partitions: Partitions, talk: Talk) -> None:
    """Make Redis believe in nine unread messages."""
    client = partitions.of(talk.other.id).client
    await client.set(keys.key(keys.UNREAD_TOTAL, talk.other.id), 9)
    await client.set(keys.key(keys.UNREAD_CONVERSATION, talk.other.id, talk.id), 9)


def drifts() -> float:
    return REGISTRY.get_sample_value("chat_messaging_unread_drift_total") or 0.0


async def test_the_copy_is_right(replica: Replica, counted: Talk) -> None:
    assert await replica.counts.compare(counted.other.id) == []


async def test_a_missing_copy_is_no_drift(replica: Replica, counted: Talk, partitions: Partitions) -> None:
    await partitions.of(counted.other.id).client.delete(keys.key(keys.UNREAD_TOTAL, counted.other.id))
    assert await replica.counts.compare(counted.other.id) == []


async def test_differences_are_named(replica: Replica, counted: Talk, partitions: Partitions) -> None:
    await spoil(partitions, counted)
    assert await replica.counts.compare(counted.other.id) == [Difference(counted.id, 9, 3), Difference(TOTAL, 9, 3)]


async def test_the_sampler_counts_and_corrects(replica: Replica, counted: Talk, partitions: Partitions) -> None:
    await spoil(partitions, counted)
    replica.repair.note([counted.other.id])
    before = drifts()
    assert await replica.repair.sample() == 1
    assert drifts() == before + 1
    assert await replica.counts.compare(counted.other.id) == []


async def test_the_sampler_knows_who_was_active_on_every_partition(
    replica: Replica, gateway: Gateway, partitions: Partitions
) -> None:
    talk = await replica.talk()
    while partitions.index_of(talk.other.id) != len(partitions) - 1:
        talk = await replica.talk()
    await gateway.plug(talk.one)
    await run(replica, gateway, talk.send(talk.one))
    await spoil(partitions, talk)
    assert await replica.repair.sample() == 1
    assert await replica.repair.sample() == 0


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_an_operator_finds_and_repairs_by_name(
    counted: Talk, partitions: Partitions, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_DATABASE_URL", database_url)
    monkeypatch.setenv("CHAT_REDIS_URLS", redis_url)
    await spoil(partitions, counted)
    wrong, right = Count(counted.id, 3, 9), Count(counted.id, 3, 3)
    assert await counts_of(counted.other.username, repair=False) == [Count(TOTAL, 3, 9), wrong]
    assert await counts_of(counted.other.username, repair=True) == [Count(TOTAL, 3, 3), right]
    assert await counts_of(counted.other.id, repair=False) == [Count(TOTAL, 3, 3), right]
    with pytest.raises(Failure, match="nobody-at-all"):
        await counts_of("nobody-at-all", repair=True)


async def test_a_rebuild_keeps_what_is_newer(replica: Replica, counted: Talk, partitions: Partitions) -> None:
    """A delivery that came between reading PostgreSQL and writing Redis is not undone."""
    client = partitions.of(counted.other.id).client
    await client.set(keys.key(keys.UNREAD_VERSION, counted.other.id, counted.id), 1_000)
    await spoil(partitions, counted)
    await client.delete(keys.key(keys.UNREAD_TOTAL, counted.other.id))
    await replica.counts.rebuild([counted.other.id])
    assert await client.get(keys.key(keys.UNREAD_TOTAL, counted.other.id)) == b"9"
    await replica.counts.rebuild([counted.other.id], force=True)
    assert await client.get(keys.key(keys.UNREAD_TOTAL, counted.other.id)) == b"3"


async def test_a_rebuild_that_comes_late_changes_nothing(
    replica: Replica, counted: Talk, gateway: Gateway, partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read PostgreSQL before somebody new wrote, and another replica has rebuilt and counted meanwhile."""
    bob = counted.other
    await partitions.of(bob.id).client.delete(keys.key(keys.UNREAD_TOTAL, bob.id))
    late = UnreadCounts(replica.pool, partitions)
    known = await late._known([bob.id])

    async def read_earlier(_users: object, _most: object) -> object:
        return known

    monkeypatch.setattr(late, "_known", read_earlier)
    carol = await new_person(replica.pool, "carol")
    conversation_id, _ = await replica.conversations.create(carol.id, bob.id)
    await run(replica, gateway, Talk(conversation_id, carol, bob).send(carol))
    await late.rebuild([bob.id])
    assert await replica.counts.compare(bob.id) == []


STEPS = st.lists(
    st.tuples(st.just("send"), st.integers(1, 3))
    | st.tuples(st.just("read"), st.none() | st.integers(1, 30))
    | st.tuples(st.just("repeat"), st.integers(0, 30))
    | st.tuples(st.just("store"), st.integers(1, 3))
    | st.tuples(st.just("deliver"), st.integers(0, 9))
    | st.tuples(st.just("forget"), st.integers(0, 1)),
    max_size=15,
)


async def follow(replica: Replica, gateway: Gateway, steps: list[tuple[str, int | None]]) -> None:
    """Send, read, repeat an earlier batch, store one and deliver it late, lose what a Redis server knows, in this order."""
    talk = await replica.talk()
    late: list[CycleEffects] = []
    done = [gateway.batch(talk.send(talk.one, "first", "first"))]
    for number, step in enumerate(steps):
        match step:
            case ("send", int(count)):
                done.append(gateway.batch(*(talk.send(talk.one, "x", f"{number}-{place}") for place in range(count))))
            case ("read", seq):
                done.append(gateway.batch(talk.read(talk.other, seq)))
            case ("store", int(count)):
                late.append(replica.fanout.effects())
                sends = [talk.send(talk.one, "late", f"{number}-{place}") for place in range(count)]
                await replica.handlers.send([(gateway.batch(), 0, send) for send in sends], late[-1])
                continue
            case ("deliver", int(choice)):
                if late:
                    await replica.fanout.deliver(late.pop(choice % len(late)))
                continue
            case ("repeat", int(choice)):
                done.append(done[choice % len(done)])
            case ("forget", int(server)):
                await replica.partitions.at(server % len(replica.partitions)).client.flushdb()
                continue
        await replica.cycle.run([done[-1]])
    await replica.cycle.run([gateway.batch(talk.send(talk.one, "last"))])
    for effects in late:
        await replica.fanout.deliver(effects)
    assert await replica.counts.compare(talk.other.id) == []
    assert await replica.partitions.of(talk.other.id).client.exists(keys.key(keys.UNREAD_TOTAL, talk.other.id))


async def test_any_order_of_deliveries_and_losses_ends_right(
    replica: Replica, gateway: Gateway, partitions: Partitions
) -> None:
    """State after events equals state that is read again, also after repetitions, reads and losses in between."""
    impatient = Replica(replica.pool, partitions, max_deferral_seconds=0)  # it would wait for a delivery that was lost
    loop = asyncio.get_running_loop()

    @settings(max_examples=scaled(40), deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def examples(steps: list[tuple[str, int | None]]) -> None:
        asyncio.run_coroutine_threadsafe(follow(impatient, gateway, steps), loop).result()

    # Hypothesis drives from a thread, so that the pool stays in its own loop.
    await asyncio.to_thread(examples)


async def test_counts_expire_and_never_before_their_total(
    replica: Replica, gateway: Gateway, counted: Talk, partitions: Partitions
) -> None:
    """A new message extends no TTL: the counts of a user who is active for years are read from PostgreSQL each week, and then
    all counts get more time than the total.
    """
    client, user = partitions.of(counted.other.id).client, counted.other.id
    total = keys.key(keys.UNREAD_TOTAL, user)
    parts = [keys.key(prefix, user, counted.id) for prefix in (keys.UNREAD_CONVERSATION, keys.UNREAD_VERSION)]

    async def outlive_their_total() -> bool:
        lifetimes = [await client.ttl(name) for name in parts]
        new = all(keys.UNREAD_TOTAL_SECONDS < seconds <= keys.UNREAD_COUNT_SECONDS for seconds in lifetimes)
        return new and 0 < await client.ttl(total) <= keys.UNREAD_TOTAL_SECONDS

    assert await outlive_their_total()
    for name, seconds in ((total, 60), *((part, 120) for part in parts)):
        assert await client.expire(name, seconds)
    await replica.cycle.run([gateway.batch(counted.send(counted.one, "one more"))])
    assert 0 < await client.ttl(total) <= 60
    assert all([0 < await client.ttl(part) <= 120 for part in parts])
    await client.delete(total)
    await replica.cycle.run([gateway.batch(counted.send(counted.one, "and one more"))])
    assert await outlive_their_total()
    assert await client.get(total) == b"5"


@pytest.fixture
async def popular(
    replica: Replica, gateway: Gateway, partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> tuple[Person, list[Talk]]:
    """Bob has five conversations with an unread message in each, which is more than two parts, and Redis knows none of it."""
    monkeypatch.setattr("services.messaging.stores.unread.PART", 2)
    monkeypatch.setattr("services.messaging.stores.unread.READ", 4)
    monkeypatch.setattr("services.messaging.stores.unread.PAUSE_SECONDS", 0)
    bob = await new_person(replica.pool, "bob")
    talks = [await talk_with(replica, bob) for _ in range(5)]
    await replica.cycle.run([gateway.batch(*(talk.send(talk.one) for talk in talks))])
    await forget(partitions, bob)
    return bob, talks


async def talk_with(replica: Replica, person: Person) -> Talk:
    """A new conversation, with somebody new."""
    alice = await new_person(replica.pool, "alice")
    conversation_id, _ = await replica.conversations.create(alice.id, person.id)
    return Talk(conversation_id, alice, person)


async def forget(partitions: Partitions, person: Person) -> None:
    """Lose all counts of a user."""
    client = partitions.of(person.id).client
    names = [name async for name in client.scan_iter(f"*unread:*{person.id}*")]
    if names:
        await client.delete(*names)


async def total_of(partitions: Partitions, person: Person) -> int | None:
    """The user's total, as Redis has it."""
    partition = partitions.of(person.id)
    total = await partition.client.get(partition.key(keys.UNREAD_TOTAL, person.id))
    return None if total is None else int(total)


async def test_many_conversations_are_written_in_parts(
    replica: Replica, partitions: Partitions, popular: tuple[Person, list[Talk]]
) -> None:
    """One script for all of them would stop the server for everybody."""
    bob, _ = popular
    await replica.counts.rebuild([bob.id])
    assert await total_of(partitions, bob) == 5
    assert await replica.counts.compare(bob.id) == []


async def test_a_cycle_waits_for_no_rebuild_of_many_conversations(
    replica: Replica, gateway: Gateway, partitions: Partitions, popular: tuple[Person, list[Talk]]
) -> None:
    bob, talks = popular
    await gateway.plug(bob)
    await run(replica, gateway, talks[0].send(talks[0].one), talks[1].send(talks[1].one))
    news = gateway.events(bob, "message.new")
    assert [event["payload"]["unread"] for event in news] == [{"conversation": 2, "total": 7}] * 2
    assert await total_of(partitions, bob) is None
    await replica.rebuilds.once()
    assert await total_of(partitions, bob) == 7
    assert await replica.counts.compare(bob.id) == []


async def test_a_rebuild_is_one_replicas_work(
    replica: Replica, partitions: Partitions, popular: tuple[Person, list[Talk]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica that was asked for the same leaves it to the first. When that one dies, its claim expires."""
    bob, _ = popular
    partition = partitions.of(bob.id)
    write = replica.counts._write
    died = asyncio.Event()

    async def die(*_args: object, **_kwargs: object) -> bool:
        died.set()
        return False

    monkeypatch.setattr(replica.counts, "_write", die)
    await replica.counts.rebuild([bob.id])
    assert died.is_set()
    monkeypatch.setattr(replica.counts, "_write", write)
    await replica.counts.rebuild([bob.id])
    assert await total_of(partitions, bob) is None
    claim = partition.key(keys.UNREAD_REBUILD, bob.id)
    assert 0 < await partition.client.ttl(claim) <= keys.UNREAD_REBUILD_SECONDS
    await partition.client.delete(claim)
    await replica.counts.rebuild([bob.id])
    assert await total_of(partitions, bob) == 5


async def test_a_repair_of_many_conversations_keeps_nothing(
    replica: Replica, partitions: Partitions, popular: tuple[Person, list[Talk]]
) -> None:
    bob, talks = popular
    await replica.counts.rebuild([bob.id])
    await spoil(partitions, talks[3])
    partition = partitions.of(bob.id)
    await partition.client.set(partition.key(keys.UNREAD_VERSION, bob.id, talks[3].id), 1_000)
    await replica.counts.rebuild([bob.id], force=True)
    assert await replica.counts.compare(bob.id) == []


MEANWHILE = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["send", "read", "clear", "new", "rebuild"]), st.integers(0, 4)),
    max_size=8,
)
"""(part before which it happens, what happens, in which conversation)"""


async def test_whatever_comes_while_counts_are_rebuilt_is_counted(
    replica: Replica,
    gateway: Gateway,
    partitions: Partitions,
    popular: tuple[Person, list[Talk]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In parts that are done, in parts that are still to come, in conversations that the rebuild has not read."""
    bob, talks = popular
    write = replica.counts._write

    async def happen(what: str, number: int) -> None:
        talk = talks[number]
        match what:
            case "send":
                await replica.cycle.run([gateway.batch(talk.send(talk.one))])
            case "read":
                await replica.cycle.run([gateway.batch(talk.read(bob))])
            case "clear":
                cleared = await replica.conversations.clear(bob.id, talk.id)
                assert cleared is not None
                await replica.counts.clear(bob.id, talk.id, cleared.version)
            case "rebuild":
                await UnreadCounts(replica.pool, partitions).rebuild([bob.id])
            case _:
                new = await talk_with(replica, bob)
                await replica.cycle.run([gateway.batch(new.send(new.one))])

    async def example(meanwhile: list[tuple[int, str, int]]) -> None:
        await forget(partitions, bob)
        parts = 0

        async def write_later(*args: Any, **kwargs: Any) -> bool:
            nonlocal parts
            for part, what, number in meanwhile:
                if part == parts:
                    await happen(what, number)
            parts += 1
            return await write(*args, **kwargs)

        monkeypatch.setattr(replica.counts, "_write", write_later)
        await replica.counts.rebuild([bob.id])
        assert await total_of(partitions, bob) is not None
        assert await replica.counts.compare(bob.id) == []

    loop = asyncio.get_running_loop()

    @settings(max_examples=scaled(30), deadline=None, suppress_health_check=list(HealthCheck))
    @given(MEANWHILE)
    def examples(meanwhile: list[tuple[int, str, int]]) -> None:
        asyncio.run_coroutine_threadsafe(example(meanwhile), loop).result()

    await asyncio.to_thread(examples)
