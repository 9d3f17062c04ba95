"""Pages of history: every message once, in either direction, whatever the page size; as `messages_at` shows each message."""

import json
from typing import Literal

import pytest

from services.messaging.rest.history import Position, read_page
from services.messaging.rest.schemas import HistoryQuery
from services.messaging.stores.history import History, Part
from services.messaging.stores.messages import Draft
from services.messaging.stores.receipts import Mark
from shared.postgres import Pool
from shared.protocol import limits
from tests.support.messaging import Replica, Talk

LAST, CLEARED = 12, 3
LIMITS = (1, 2, 5, 12, 50)
Way = Literal["after", "before", "around"]


@pytest.fixture
async def filled(replica: Replica, talk: Talk) -> Talk:
    """Twelve messages, the first three of which Alice has cleared."""
    await fill(replica, talk, CLEARED)
    await replica.conversations.clear(talk.one.id, talk.id)
    await fill(replica, talk, LAST - CLEARED, CLEARED)
    return talk


async def fill(replica: Replica, talk: Talk, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        sender = talk.one if number % 3 else talk.other
        await replica.messages.append([Draft(talk.send(sender, f"text {number}", f"t{number}"), f"t{number}")])


async def page(pool: Pool, talk: Talk, way: Way, seq: int | None, limit: int) -> Part:
    found = await History(pool).page(talk.one.id, talk.id, way, seq, limit)
    assert found is not None
    assert [message.seq for message in found.messages] == list(found.seqs)
    return found


async def test_each_message_comes_once_in_either_direction(pool: Pool, filled: Talk) -> None:
    for limit in LIMITS:
        seen: list[int] = []
        at: int | None = 0
        while at is not None:
            found = await page(pool, filled, "after", at, limit)
            seen += found.seqs
            at = found.seqs[-1] if found.seqs and found.seqs[-1] < LAST else None
        assert seen == list(range(CLEARED + 1, LAST + 1))
        seen, before = [], None
        while True:
            found = await page(pool, filled, "before", before, limit)
            seen = [*found.seqs, *seen]
            if not found.seqs or found.seqs[0] == CLEARED + 1:
                break
            before = found.seqs[0]
        assert seen == list(range(CLEARED + 1, LAST + 1))


async def test_a_page_around_a_message_is_full_and_holds_it(pool: Pool, filled: Talk) -> None:
    for limit in LIMITS:
        for seq in range(1, LAST + 5):
            found = await page(pool, filled, "around", seq, limit)
            assert len(found.seqs) == min(limit, LAST - CLEARED)
            assert all(CLEARED < each <= LAST for each in found.seqs)
            if CLEARED < seq <= LAST:
                assert seq in found.seqs


@pytest.mark.parametrize(("way", "seq"), [("after", LAST), ("after", LAST + 7), ("before", 1), ("before", CLEARED + 1)])
async def test_beyond_the_ends_nothing_comes(pool: Pool, filled: Talk, way: Way, seq: int) -> None:
    found = await page(pool, filled, way, seq, 5)
    assert (found.messages, found.cleared_seq, found.last_seq) == ([], CLEARED, LAST)


async def test_a_page_beyond_the_newest_begins_at_the_newest(pool: Pool, filled: Talk) -> None:
    assert list((await page(pool, filled, "before", LAST + 9, 2)).seqs) == [LAST - 1, LAST]


async def test_a_page_shows_each_message_as_it_is_shown_alone(pool: Pool, replica: Replica, filled: Talk) -> None:
    for person, read_to, delivered_to in (
        (filled.one, None, 4),
        (filled.other, None, 6),
        (filled.other, 5, 5),
        (filled.other, 9, 9),
        (filled.one, 11, 11),
    ):
        await replica.receipts.mark([Mark(filled.id, person.id, read_to, delivered_to)])
    for viewer in (filled.one, filled.other):
        alone = await replica.messages.at([(viewer.id, filled.id, seq) for seq in range(CLEARED + 1, LAST + 1)])
        for limit in (1, 3, LAST):
            for first in range(CLEARED, LAST):
                found = await History(pool).page(viewer.id, filled.id, "after", first, limit)
                assert found is not None
                assert found.messages == alone[first - CLEARED : first - CLEARED + limit]
    assert sum(message.is_read for message in alone) > 3
    assert {message.read_at is None for message in alone} == {True, False}


async def test_a_page_of_large_messages_has_fewer_of_them(pool: Pool, replica: Replica, talk: Talk) -> None:
    """Whatever was asked for; the next pages have the others."""
    content = "\U0001f642" * limits.MAX_CONTENT_CHARACTERS
    count = 2 * limits.MAX_PAGE_BYTES // len(content.encode())
    for start in range(0, count, 20):
        numbers = range(start, min(start + 20, count))
        await replica.messages.append(
            [Draft(talk.send(talk.one, content, f"large {number}"), f"m{number}") for number in numbers]
        )
    seen: list[int] = []
    query = HistoryQuery(afterSeq=0)
    for way in (query, HistoryQuery()):
        body = await read_page(History(pool), talk.one.id, talk.id, Position.of(way), limits.MAX_PAGE)
        assert body is not None
        assert len(body) < limits.MAX_PAGE_BYTES + 1_000
    while True:
        body = await read_page(History(pool), talk.one.id, talk.id, Position.of(query), limits.MAX_PAGE)
        assert body is not None
        page = json.loads(body)
        seen += [item["seq"] for item in page["items"]]
        if page["nextPage"] is None:
            break
        query = HistoryQuery(page=page["nextPage"])
    assert seen == list(range(1, count + 1))


async def fill_large(replica: Replica, talk: Talk, count: int, content: str) -> None:
    for start in range(0, count, 20):
        numbers = range(start, min(start + 20, count))
        await replica.messages.append(
            [Draft(talk.send(talk.one, content, f"large {number}"), f"m{number}") for number in numbers]
        )


class Counting(History):
    """Counts the messages that pages read."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.messages_read = 0

    async def page(self, user_id: str, conversation_id: str, way: Way, seq: int | None, limit: int) -> Part | None:
        """As ever."""
        part = await super().page(user_id, conversation_id, way, seq, limit)
        self.messages_read += 0 if part is None else len(part.messages)
        return part


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (HistoryQuery(afterSeq=70), range(71, 171)),
        (HistoryQuery(beforeSeq=171), range(71, 171)),
        (HistoryQuery(), range(121, 221)),
        (HistoryQuery(aroundSeq=120), range(70, 170)),
        (HistoryQuery(aroundSeq=3), range(1, 101)),
        (HistoryQuery(aroundSeq=190), range(121, 221)),
        (HistoryQuery(aroundSeq=200), range(121, 221)),
    ],
)
async def test_a_full_page_is_read_in_parts(
    pool: Pool, replica: Replica, talk: Talk, query: HistoryQuery, shown: range
) -> None:
    await fill_large(replica, talk, 220, "short")
    history = Counting(pool)
    body = await read_page(history, talk.one.id, talk.id, Position.of(query), limits.MAX_PAGE)
    assert body is not None
    assert [item["seq"] for item in json.loads(body)["items"]] == list(shown)
    assert history.messages_read == limits.MAX_PAGE


@pytest.mark.parametrize("query", [HistoryQuery(afterSeq=0), HistoryQuery(), HistoryQuery(aroundSeq=60)])
async def test_no_message_of_a_page_is_read_twice(
    pool: Pool, replica: Replica, talk: Talk, query: HistoryQuery
) -> None:
    """A page that was too large twice was read again with a quarter of its messages."""
    count = 120
    await fill_large(replica, talk, count, "\U0001f642" * limits.MAX_CONTENT_CHARACTERS)
    history = Counting(pool)
    body = await read_page(history, talk.one.id, talk.id, Position.of(query), limits.MAX_PAGE)
    assert body is not None
    seqs = [item["seq"] for item in json.loads(body)["items"]]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert history.messages_read <= limits.MAX_PAGE
    assert limits.MAX_PAGE_BYTES * 0.9 < len(body) < limits.MAX_PAGE_BYTES + 1_000
    if query.aroundSeq is not None:
        assert abs(seqs[0] + seqs[-1] - 2 * query.aroundSeq) <= 1
    else:
        assert seqs[0] == 1 if query.afterSeq == 0 else seqs[-1] == count


async def test_only_participants_see_a_page(pool: Pool, replica: Replica, filled: Talk) -> None:
    stranger = (await replica.talk()).one
    assert await History(pool).page(stranger.id, filled.id, "before", None, 5) is None
