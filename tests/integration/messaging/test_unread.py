"""Unread counts: the copy in Redis follows PostgreSQL, and what went astray is seen and set right."""

import random

import pytest
from prometheus_client import REGISTRY

from services.messaging.unread import TOTAL, Difference, UnreadCounts
from shared.protocol import keys
from shared.protocol.relay import Command
from shared.redis import Shards
from tests.support.messaging import Gateway, Replica, Talk, new_person
from tools.chatctl.failure import Failure
from tools.chatctl.unread import Count, counts_of


async def run(replica: Replica, gateway: Gateway, *commands: Command) -> None:
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


@pytest.fixture
async def counted(replica: Replica, talk: Talk, gateway: Gateway) -> Talk:
    """Bob has three unread messages."""
    await run(replica, gateway, *(talk.send(talk.one) for _ in range(3)))
    return talk


async def spoil(shards: Shards, talk: Talk) -> None:
    """Make Redis believe in nine unread messages."""
    client = shards.of(talk.other.id)
    await client.set(keys.key(keys.UNREAD_TOTAL, talk.other.id), 9)
    await client.set(keys.key(keys.UNREAD_CONVERSATION, talk.other.id, talk.id), 9)


def drifts() -> float:
    return REGISTRY.get_sample_value("chat_messaging_unread_drift_total") or 0.0


async def test_the_copy_is_right(replica: Replica, counted: Talk) -> None:
    assert await replica.counts.compare(counted.other.id) == []


async def test_a_missing_copy_is_no_drift(replica: Replica, counted: Talk, shards: Shards) -> None:
    await shards.of(counted.other.id).delete(keys.key(keys.UNREAD_TOTAL, counted.other.id))
    assert await replica.counts.compare(counted.other.id) == []


async def test_differences_are_named(replica: Replica, counted: Talk, shards: Shards) -> None:
    await spoil(shards, counted)
    assert await replica.counts.compare(counted.other.id) == [Difference(counted.id, 9, 3), Difference(TOTAL, 9, 3)]


async def test_the_sampler_counts_and_corrects(replica: Replica, counted: Talk, shards: Shards) -> None:
    await spoil(shards, counted)
    replica.drift.note([counted.other.id])
    before = drifts()
    assert await replica.drift.sample() == 1
    assert drifts() == before + 1
    assert await replica.counts.compare(counted.other.id) == []


async def test_the_sampler_knows_who_was_active(replica: Replica, counted: Talk, shards: Shards) -> None:
    if len(shards) == 1:
        await spoil(shards, counted)
        assert await replica.drift.sample() == 1
    assert await replica.drift.sample() == 0


async def test_an_operator_finds_and_repairs_by_name(
    counted: Talk, shards: Shards, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_DATABASE_URL", database_url)
    monkeypatch.setenv("CHAT_REDIS_URLS", ",".join(shards.clients))
    await spoil(shards, counted)
    wrong, right = Count(counted.id, 3, 9), Count(counted.id, 3, 3)
    assert await counts_of(counted.other.username, repair=False) == [Count(TOTAL, 3, 9), wrong]
    assert await counts_of(counted.other.username, repair=True) == [Count(TOTAL, 3, 3), right]
    assert await counts_of(counted.other.id, repair=False) == [Count(TOTAL, 3, 3), right]
    with pytest.raises(Failure, match="nobody-at-all"):
        await counts_of("nobody-at-all", repair=True)


async def test_a_rebuild_keeps_what_is_newer(replica: Replica, counted: Talk, shards: Shards) -> None:
    """A delivery that came between reading PostgreSQL and writing Redis is not undone."""
    client = shards.of(counted.other.id)
    await client.set(keys.key(keys.UNREAD_VERSION, counted.other.id, counted.id), 1_000)
    await spoil(shards, counted)
    await client.delete(keys.key(keys.UNREAD_TOTAL, counted.other.id))
    await replica.counts.rebuild([counted.other.id])
    assert await client.get(keys.key(keys.UNREAD_TOTAL, counted.other.id)) == b"9"
    await replica.counts.rebuild([counted.other.id], force=True)
    assert await client.get(keys.key(keys.UNREAD_TOTAL, counted.other.id)) == b"3"


async def test_a_rebuild_that_comes_late_changes_nothing(
    replica: Replica, counted: Talk, gateway: Gateway, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read PostgreSQL before somebody new wrote, and another replica has rebuilt and counted meanwhile."""
    bob = counted.other
    await shards.of(bob.id).delete(keys.key(keys.UNREAD_TOTAL, bob.id))
    late = UnreadCounts(replica.pool, shards)
    known = await late._known([bob.id])

    async def read_earlier(_users: object) -> object:
        return known

    monkeypatch.setattr(late, "_known", read_earlier)
    carol = await new_person(replica.pool, "carol")
    conversation_id, _ = await replica.conversations.create(carol.id, bob.id)
    await run(replica, gateway, Talk(conversation_id, carol, bob).send(carol))
    await late.rebuild([bob.id])
    assert await replica.counts.compare(bob.id) == []


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_of_deliveries_and_losses_ends_right(
    replica: Replica, talk: Talk, gateway: Gateway, shards: Shards, seed: int
) -> None:
    """State after events equals state fetched fresh, whatever was repeated, read or forgotten in between."""
    impatient = Replica(replica.pool, shards, max_deferral_seconds=0)  # who forgot a delivery would be waited for
    chance = random.Random(seed)
    done = [gateway.batch(talk.send(talk.one, "first", "first"))]
    for number in range(25):
        match chance.randrange(5):
            case 0:
                batch = gateway.batch(talk.read(talk.other, chance.choice([None, chance.randrange(1, 30)])))
            case 1:
                batch = chance.choice(done)
            case 2:
                for client in shards.clients.values():
                    await client.flushdb()
                continue
            case _:
                batch = gateway.batch(
                    *(talk.send(talk.one, "x", f"{number}-{place}") for place in range(chance.randrange(1, 4)))
                )
        done.append(batch)
        await impatient.cycle.run([batch])
    await impatient.cycle.run([gateway.batch(talk.send(talk.one, "last"))])
    assert await replica.counts.compare(talk.other.id) == []
    assert await shards.of(talk.other.id).exists(keys.key(keys.UNREAD_TOTAL, talk.other.id))
