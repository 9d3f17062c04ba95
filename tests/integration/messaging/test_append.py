"""The append statement: who may send, each message once, in order, and independent of the others in its batch."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress

import pytest

from services.messaging.stores import messages
from services.messaging.stores.messages import Appended, Draft
from shared.postgres import Pool
from shared.protocol import limits
from shared.protocol.client.fields import check_metadata
from shared.protocol.codec import json_encoder
from tests.support.messaging import Replica, Talk, new_person

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)


def drafts(*sends: "object") -> list[Draft]:
    return [Draft(send, send.temp_id or f"key-{place}") for place, send in enumerate(sends)]  # type: ignore[attr-defined, arg-type]


def verdicts(results: list[Appended]) -> list[str]:
    return [result.verdict for result in results]


async def stored(pool: Pool, talk: Talk) -> list[tuple[int, str, str | None]]:
    rows = await pool.fetch(
        "SELECT seq, sender_id::text, content FROM messaging.messages WHERE conversation_id = $1 ORDER BY seq", talk.id
    )
    return [tuple(row) for row in rows]


async def test_numbers_without_gaps_in_the_order_given(replica: Replica, talk: Talk) -> None:
    alice, bob = talk.one, talk.other
    results = await replica.messages.append(drafts(talk.send(alice, "a"), talk.send(bob, "b"), talk.send(alice, "c")))
    assert [result.seq for result in results] == [1, 2, 3]
    assert [result.receiver_id for result in results] == [bob.id, alice.id, bob.id]
    assert await stored(replica.pool, talk) == [(1, alice.id, "a"), (2, bob.id, "b"), (3, alice.id, "c")]


async def test_a_bad_row_never_fails_its_neighbours(replica: Replica, talk: Talk) -> None:
    alice, bob = talk.one, talk.other
    stranger = await new_person(replica.pool, "mallory")
    foreign = await replica.talk()
    blocked = await replica.talk()
    await replica.blocks.set(blocked.other.id, blocked.one.id, active=True)
    nowhere = Talk("00000000-0000-0000-0000-000000000001", alice, bob)
    await replica.messages.append(drafts(talk.send(alice, "first", "t1")))
    results = await replica.messages.append(
        drafts(
            talk.send(stranger, "let me in"),
            talk.send(alice, "good", "t2"),
            foreign.send(alice, "not mine"),
            nowhere.send(alice, "nowhere"),
            blocked.send(blocked.one, "blocked"),
            talk.send(alice, "changed", "t1"),
            talk.send(alice, "first", "t1"),
            talk.send(bob, "fine"),
        )
    )
    assert verdicts(results) == [
        "conversation_not_found",
        "new",
        "conversation_not_found",
        "conversation_not_found",
        "blocked",
        "duplicate_temp_id",
        "repeated",
        "new",
    ]
    assert [row[2] for row in await stored(replica.pool, talk)] == ["first", "good", "fine"]


@pytest.mark.parametrize("number", [1e308, -1.7976931348623157e308, 5e-324, 1e16, 1e-7, 0.5, 7, 10**40])
async def test_numbers_in_metadata_are_no_longer_when_they_are_read(
    replica: Replica, talk: Talk, number: float
) -> None:
    """PostgreSQL returns them without exponent: 4 KiB of `1e308` would be 200."""
    metadata, most = {"n": [number]}, limits.MAX_METADATA_BYTES
    with suppress(ValueError):
        while len(metadata["n"]) < most:
            check_metadata({"n": [*metadata["n"], number]})
            metadata["n"].append(number)
    text = json_encoder.encode(metadata).decode()
    await replica.messages.append(drafts(talk.send(talk.one, "numbers", metadata=text)))
    (message,) = await replica.messages.at([(talk.one.id, talk.id, 1)])
    read = json_encoder.encode(message.metadata).replace(b" ", b"")
    assert most - 400 < len(read) <= most


async def test_either_side_of_a_block_is_refused(replica: Replica, talk: Talk) -> None:
    await replica.blocks.set(talk.one.id, talk.other.id, active=True)
    both = drafts(talk.send(talk.one, "to whom I block"), talk.send(talk.other, "to who blocks me"))
    assert verdicts(await replica.messages.append(both)) == ["blocked", "blocked"]
    await replica.blocks.set(talk.one.id, talk.other.id, active=False)
    assert verdicts(await replica.messages.append(both)) == ["new", "new"]


async def test_a_repeated_key_is_answered_even_while_a_block_stands(replica: Replica, talk: Talk) -> None:
    first = await replica.messages.append(drafts(talk.send(talk.one, "hi", "t1")))
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    again = await replica.messages.append(drafts(talk.send(talk.one, "hi", "t1")))
    assert (again[0].verdict, again[0].seq, again[0].blocked) == ("repeated", first[0].seq, True)


async def test_a_key_belongs_to_one_sender_in_one_conversation(replica: Replica, talk: Talk) -> None:
    other_talk = await replica.talk()
    results = await replica.messages.append(
        drafts(
            talk.send(talk.one, "a", "same"),
            talk.send(talk.other, "b", "same"),
            other_talk.send(other_talk.one, "c", "same"),
        )
    )
    assert verdicts(results) == ["new", "new", "new"]


@pytest.mark.parametrize(
    ("content", "media", "verdict"),
    [
        ("look", [{"url": "https://a/1.jpg", "type": "image"}], "repeated"),
        ("look", [{"type": "image", "url": "https://a/1.jpg"}], "repeated"),
        ("look", [{"url": "https://a/2.jpg", "type": "image"}], "duplicate_temp_id"),
        (None, [{"url": "https://a/1.jpg", "type": "image"}], "duplicate_temp_id"),
        ("look", None, "duplicate_temp_id"),
    ],
)
async def test_the_whole_body_is_compared(
    replica: Replica, talk: Talk, content: str | None, media: list[dict[str, str]] | None, verdict: str
) -> None:
    original = json.dumps([{"url": "https://a/1.jpg", "type": "image"}])
    await replica.messages.append(drafts(talk.send(talk.one, "look", "t1", original)))
    again = talk.send(talk.one, content, "t1", None if media is None else json.dumps(media))
    assert verdicts(await replica.messages.append(drafts(again))) == [verdict]


async def test_repeats_inside_one_batch(replica: Replica, talk: Talk) -> None:
    results = await replica.messages.append(
        drafts(
            talk.send(talk.one, "a", "t1"),
            talk.send(talk.one, "a", "t1"),
            talk.send(talk.one, "b", "t2"),
            talk.send(talk.one, "changed", "t1"),
        )
    )
    assert verdicts(results) == ["new", "repeated", "new", "duplicate_temp_id"]
    assert [result.seq for result in results[:3]] == [1, 1, 2]


async def test_unread_counts_and_versions_follow(replica: Replica, talk: Talk) -> None:
    first = await replica.messages.append(drafts(talk.send(talk.one, "a"), talk.send(talk.one, "b")))
    second = await replica.messages.append(
        [Draft(talk.send(talk.one, "c"), "c"), Draft(talk.send(talk.other, "d"), "d")]
    )
    assert [result.unread for result in first] == [0, 0]
    assert [result.unread for result in second] == [2, 0]
    assert second[0].version == first[0].version + 1
    assert await replica.counts.of(talk.other.id) == {talk.id: 3}
    assert await replica.counts.of(talk.one.id) == {talk.id: 1}


async def test_times_never_run_backwards(replica: Replica, talk: Talk) -> None:
    await replica.pool.execute(
        "UPDATE messaging.conversations SET updated_at = now() + interval '1 hour' WHERE id = $1", talk.id
    )
    early, late = [
        (await replica.messages.append([Draft(talk.send(talk.one, key), key)]))[0].created_at for key in ("a", "b")
    ]
    assert late >= early
    assert early.microsecond % 1000 == 0


async def test_racing_senders_store_each_key_once(replica: Replica, talk: Talk) -> None:
    """100 senders race with 20 keys over 12 connections: 20 rows, without gaps, and every racer learns the one seq."""
    keys = [f"t{number}" for number in range(20)]

    async def race(number: int) -> list[tuple[str, int]]:
        order = random.Random(number).sample(keys, len(keys))
        results: list[tuple[str, Appended]] = []
        for start in range(0, len(order), 4):
            sends = [talk.send(talk.one, f"body of {key}", key) for key in order[start : start + 4]]
            results += zip(order[start:], await replica.messages.append(drafts(*sends)), strict=False)
        assert {result.verdict for _, result in results} <= {"new", "repeated"}
        return [(key, result.seq) for key, result in results]

    seen = [pair for pairs in await asyncio.gather(*map(race, range(100))) for pair in pairs]
    rows = await stored(replica.pool, talk)
    assert [seq for seq, _, _ in rows] == list(range(1, 21))
    assert Counter(content for _, _, content in rows) == {f"body of {key}": 1 for key in keys}
    assert set(seen) == {(str(content).removeprefix("body of "), seq) for seq, _, content in rows}
    assert await replica.counts.of(talk.other.id) == {talk.id: 20}


async def test_racing_messages_wait_for_each_other(
    replica: Replica, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Different messages never collide: each waits for the row lock, and needs one attempt only."""
    monkeypatch.setattr(messages, "MAX_ATTEMPTS", 1)
    batches = [[Draft(talk.send(talk.one), f"{number}-{place}") for place in range(3)] for number in range(40)]
    results = await asyncio.gather(*map(replica.messages.append, batches))
    assert sorted(result.seq for batch in results for result in batch) == list(range(1, 121))


async def test_batches_over_the_same_conversations_never_deadlock(replica: Replica) -> None:
    """Conversations are locked in the order of their ids, whatever order the batch has."""
    talks = [await replica.talk() for _ in range(6)]

    async def append(number: int) -> None:
        order = random.Random(number).sample(talks, len(talks))
        results = await replica.messages.append(
            [Draft(talk.send(talk.one), f"{number}-{place}") for place, talk in enumerate(order)]
        )
        assert verdicts(results) == ["new"] * len(talks)

    before = await replica.pool.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    await asyncio.gather(*map(append, range(60)))
    after = await replica.pool.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert after == before
    for talk in talks:
        assert [seq for seq, _, _ in await stored(replica.pool, talk)] == list(range(1, 61))
