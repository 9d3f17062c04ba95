"""Inboxes that are written again: in parts, by one task at a time, and without losing what comes meanwhile."""

import asyncio
import itertools
from typing import Any

import pytest

from services.messaging.fanout import inbox_rewriting
from services.messaging.fanout.inbox_rewriting import History, InboxRewriting
from services.messaging.fanout.message_changes import DeletedMessage
from shared.protocol import keys, limits
from shared.redis import Partition, Partitions
from tests.support.messaging import Gateway, Replica, Talk

LARGE = "x" * 3_000


@pytest.fixture
def partition(partitions: Partitions, talk: Talk) -> Partition:
    """The partition with the inbox of the receiver."""
    return partitions.of(talk.other.id)


async def deliver(replica: Replica, gateway: Gateway, *commands: Any) -> None:
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


async def texts(partition: Partition, talk: Talk) -> dict[str, str]:
    """Entry id → text of the receiver's inbox, the oldest first."""
    entries: Any = await partition.client.xrange(partition.key(keys.INBOX, talk.other.id))
    return {entry_id.decode(): fields[b"e"].decode() for entry_id, fields in entries}


async def scripts_run(partition: Partition) -> int:
    """How many scripts have run."""
    return int((await partition.client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"])


def deleted(talk: Talk, *seqs: int) -> list[DeletedMessage]:
    return [DeletedMessage(talk.id, seq, "2026-01-01T00:00:00.000Z", (talk.other.id,)) for seq in seqs]


async def test_a_large_inbox_is_read_and_copied_in_parts(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One script for 4 MiB kept Redis from everything else for 40 ms."""
    await deliver(replica, gateway, *(talk.send(talk.one, f"{n} {LARGE}", f"t{n}") for n in range(1, 41)))
    before = await texts(partition, talk)
    monkeypatch.setattr(inbox_rewriting, "PART_BYTES", 4 * 3_000)
    calls = await scripts_run(partition)
    await replica.fanout.eraser.erase(deleted(talk, 1, 20, 40))
    assert await scripts_run(partition) - calls == 10 + 1 + 10 + 1 + 1
    after = await texts(partition, talk)
    assert list(after) == list(before)
    changed = [
        place for place, (old, new) in enumerate(zip(before.values(), after.values(), strict=True), 1) if old != new
    ]
    assert changed == [1, 20, 40]
    assert not any(LARGE in list(after.values())[seq - 1] for seq in changed)
    assert not await partition.client.exists(partition.key(keys.INBOX_COPY, talk.other.id))
    assert not await partition.client.exists(partition.key(keys.INBOX_LOCK, talk.other.id))
    assert 0 < await partition.client.ttl(partition.key(keys.INBOX, talk.other.id)) <= 86_400


async def test_a_rewriting_may_take_longer_than_a_lock_is_kept(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each call of Redis took 20 ms, it never came to an end, and no message after it was delivered."""
    await deliver(replica, gateway, *(talk.send(talk.one, f"n{n}", f"t{n}") for n in range(1, 161)))
    monkeypatch.setattr(inbox_rewriting, "PART_BYTES", 1)
    monkeypatch.setattr(inbox_rewriting, "LOCK_MS", 300)
    clock = itertools.count(0.0, inbox_rewriting.MAX_REST_SECONDS)
    monkeypatch.setattr(inbox_rewriting, "monotonic", lambda: next(clock))
    await replica.fanout.eraser.erase(deleted(talk, 1))
    assert '"deletedAt"' in next(iter((await texts(partition, talk)).values()))


async def test_redis_serves_others_for_as_long_as_a_part_took(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(replica, gateway, *(talk.send(talk.one, f"n{n}", f"t{n}") for n in range(1, 41)))
    monkeypatch.setattr(inbox_rewriting, "PART_BYTES", 1)
    step = inbox_rewriting.MAX_REST_SECONDS
    clock = itertools.count(0.0, step)
    monkeypatch.setattr(inbox_rewriting, "monotonic", lambda: next(clock))
    calls, began = await scripts_run(partition), asyncio.get_running_loop().time()
    await replica.fanout.eraser.erase(deleted(talk, 1))
    seconds = asyncio.get_running_loop().time() - began
    assert seconds >= (await scripts_run(partition) - calls - 1) * step > 20 * step


async def test_what_comes_meanwhile_is_kept_in_order(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_rewriting, "PART_BYTES", 1)
    await deliver(replica, gateway, *(talk.send(talk.one, f"n{n}", f"t{n}") for n in range(1, 31)))
    erasing = asyncio.gather(*(replica.fanout.eraser.erase(deleted(talk, seq)) for seq in (1, 2, 3, 30)))
    last = 30
    # Not more than an inbox holds.
    while not erasing.done() and last < limits.INBOX_EVENTS // 2:
        last += 1
        await deliver(replica, gateway, talk.send(talk.one, f"n{last}", f"t{last}"))
    await erasing
    assert last > 31, "messages came while the inbox was written again"
    after = await texts(partition, talk)
    offsets = [int(entry_id.partition("-")[0]) for entry_id in after]
    assert offsets == list(range(offsets[0], offsets[0] + last))
    gone = [seq for seq, text in enumerate(after.values(), 1) if f'"content":"n{seq}"' not in text]
    assert gone == [1, 2, 3, 30], "none of four tasks undid what another one changed"


async def test_a_new_inbox_is_not_replaced_by_the_old_one(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_rewriting, "PART_BYTES", 1)
    await deliver(replica, gateway, *(talk.send(talk.one, f"n{n}", f"t{n}") for n in range(1, 10)))
    copy = InboxRewriting._copy
    copied = 0

    async def reset(self: InboxRewriting, *args: Any) -> str:
        nonlocal copied
        copied += 1
        if copied == 2:
            await partition.client.delete(partition.key(keys.INBOX_OFFSET, talk.other.id))
            await deliver(replica, gateway, talk.send(talk.one, "n10", "t10"))
        return await copy(self, *args)

    monkeypatch.setattr(InboxRewriting, "_copy", reset)
    with pytest.raises(TimeoutError, match="a new one"):
        await replica.fanout.eraser.erase(deleted(talk, 1))
    assert ['"content":"n10"' in text for text in (await texts(partition, talk)).values()] == [True]


async def test_a_lost_lock_changes_nothing(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition
) -> None:
    await deliver(replica, gateway, talk.send(talk.one, "hello", "t1"))
    before = await texts(partition, talk)
    async with InboxRewriting.of(partition, talk.other.id) as inbox:
        await partition.client.set(partition.key(keys.INBOX_LOCK, talk.other.id), "somebody else")
        with pytest.raises(TimeoutError, match="has begun"):
            await inbox.change([History(talk.id)], lambda _: "{}")
    assert await texts(partition, talk) == before
    assert await partition.client.get(partition.key(keys.INBOX_LOCK, talk.other.id)) == b"somebody else"


async def test_a_killed_replica_holds_others_up_for_a_short_time(
    replica: Replica, gateway: Gateway, talk: Talk, partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deliver(replica, gateway, talk.send(talk.one, "hello", "t1"))
    lock = partition.key(keys.INBOX_LOCK, talk.other.id)
    await partition.client.set(lock, "of a killed replica")
    monkeypatch.setattr(inbox_rewriting, "WAIT_SECONDS", 0.1)
    with pytest.raises(TimeoutError):
        await replica.fanout.eraser.erase(deleted(talk, 1))
    await partition.client.pexpire(lock, 100)
    monkeypatch.setattr(inbox_rewriting, "WAIT_SECONDS", 30)
    await replica.fanout.eraser.erase(deleted(talk, 1))
    assert "hello" not in "".join((await texts(partition, talk)).values())
