"""What a user sets of a conversation, how conversations are listed, and «delete for me»."""

import asyncio
from typing import Any

import pytest

from services.messaging.fanout import conversation_announcer
from services.messaging.stores.conversation_list import ConversationList
from shared.postgres import Pool
from shared.protocol import keys, limits
from shared.redis import Partitions
from tests.support.messaging import Gateway, Person, Replica, Talk, new_person
from tests.support.messaging_rest import Rest

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)

UNTOUCHED = {
    "mutedUntil": None,
    "archived": False,
    "pinned": False,
    "markedUnread": False,
    "clearedSeq": 0,
    "readSeq": 0,
}


async def patch(rest: Rest, person: Person, talk: Talk, **change: Any) -> Any:
    response = await rest(person, "PATCH", f"/chat/conversations/{talk.id}", json=change)
    assert response.status_code == 200, response.text
    return response.json()


async def clear(rest: Rest, person: Person, talk: Talk) -> None:
    response = await rest(person, "DELETE", f"/chat/conversations/{talk.id}")
    assert (response.status_code, response.content) == (204, b"")


async def say(replica: Replica, gateway: Gateway, *commands: Any) -> None:
    await replica.cycle.run([gateway.batch(*commands)])


async def listed(rest: Rest, person: Person, **filters: Any) -> list[str]:
    """All ids in a user's list, page by page."""
    found: list[str] = []
    page = filters.pop("page", None)
    while True:
        body = await rest.get(person, "/chat/conversations", **filters, **({"page": page} if page else {}))
        found += [item["id"] for item in body["items"]]
        page = body["nextPage"]
        if page is None:
            return found


async def inbox(partitions: Partitions, person: Person) -> list[tuple[int, str]]:
    """(offset, text) of each entry of a user's inbox."""
    entries: Any = await partitions.of(person.id).client.xrange(keys.key(keys.INBOX, person.id))
    return [(int(entry_id.split(b"-")[0]), fields[b"e"].decode()) for entry_id, fields in entries]


async def test_a_new_conversation_is_untouched(rest: Rest, talk: Talk) -> None:
    body = await rest.get(talk.one, f"/chat/conversations/{talk.id}")
    assert body["me"] == UNTOUCHED
    assert {(each["readSeq"], each["deliveredSeq"]) for each in body["participants"]} == {(0, 0)}


async def test_marks_of_both_sides(rest: Rest, replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await say(replica, gateway, talk.send(talk.one), talk.send(talk.one), talk.send(talk.one))
    await say(replica, gateway, talk.read(talk.other, 1), talk.delivered(talk.other, 2))
    for person in (talk.one, talk.other):
        body = await rest.get(person, f"/chat/conversations/{talk.id}")
        marks = {each["id"]: (each["readSeq"], each["deliveredSeq"]) for each in body["participants"]}
        assert marks == {talk.one.id: (0, 0), talk.other.id: (1, 2)}
        assert body["me"]["readSeq"] == (1 if person is talk.other else 0)


async def test_marks_behind_a_block_are_not_shown(rest: Rest, replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await say(replica, gateway, talk.send(talk.one), talk.send(talk.one))
    await say(replica, gateway, talk.read(talk.other, 1))
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    await say(replica, gateway, talk.read(talk.other, 2))
    seen = {person.id: await rest.get(person, f"/chat/conversations/{talk.id}") for person in (talk.one, talk.other)}
    marks = {
        viewer: next(each["readSeq"] for each in body["participants"] if each["id"] == talk.other.id)
        for viewer, body in seen.items()
    }
    assert marks == {talk.one.id: 1, talk.other.id: 2}


async def test_changes_reach_the_users_own_devices_only(rest: Rest, talk: Talk, gateway: Gateway) -> None:
    body = await patch(rest, talk.one, talk, archived=True, markedUnread=True)
    assert body["me"] == UNTOUCHED | {"archived": True, "markedUnread": True}
    await gateway.until(lambda: len(gateway.events(talk.one)) == 1)
    (event,) = gateway.events(talk.one)
    assert event["type"] == "conversation.updated"
    assert event["payload"] == {"conversation": body}
    assert event["cursor"]
    assert gateway.events(talk.other) == []
    assert (await rest.get(talk.other, f"/chat/conversations/{talk.id}"))["me"] == UNTOUCHED


@pytest.mark.parametrize(
    "change",
    [
        {"archived": None},
        {"pinned": "yes"},
        {"markedUnread": 1},
        {"mutedUntil": "tomorrow"},
        {"mutedUntil": 1893456000},
        {"mutedUntil": "2030-01-01T00:00:00"},
        {"mutedUntil": "0001-01-01T00:00:00+14:00"},
        [],
    ],
)
async def test_changes_that_make_no_sense(rest: Rest, talk: Talk, change: Any) -> None:
    response = await rest(talk.one, "PATCH", f"/chat/conversations/{talk.id}", json=change)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "validation_error"


async def test_strangers_change_nothing(rest: Rest, talk: Talk, pool: Pool) -> None:
    stranger = await new_person(pool)
    for method, options in (("PATCH", {"json": {"pinned": True}}), ("DELETE", {})):
        response = await rest(stranger, method, f"/chat/conversations/{talk.id}", **options)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "conversation_not_found")


async def test_twenty_conversations_are_pinned_and_no_more(rest: Rest, replica: Replica, pool: Pool) -> None:
    alice = await new_person(pool)
    talks = []
    for _ in range(22):
        other = await new_person(pool)
        talks.append(Talk((await replica.conversations.create(alice.id, other.id))[0], alice, other))
    responses = await asyncio.gather(
        *(rest(alice, "PATCH", f"/chat/conversations/{talk.id}", json={"pinned": True}) for talk in talks)
    )
    assert sorted(response.status_code for response in responses) == [200] * 20 + [422] * 2
    pinned = [talk for talk, response in zip(talks, responses, strict=True) if response.status_code == 200]
    assert set(await listed(rest, alice, pinned=True, limit=7)) == {talk.id for talk in pinned}
    # Repeating one is no 21st; unpinning makes room.
    await patch(rest, alice, pinned[0], pinned=True)
    await patch(rest, alice, pinned[0], pinned=False)
    await patch(rest, alice, next(talk for talk in talks if talk not in pinned), pinned=True)


async def test_lists_and_filters(rest: Rest, replica: Replica, pool: Pool, gateway: Gateway) -> None:
    alice = await new_person(pool)
    talks = []
    for _ in range(5):
        other = await new_person(pool)
        talk = Talk((await replica.conversations.create(alice.id, other.id))[0], alice, other)
        talks.append(talk)
        await say(replica, gateway, talk.send(other))
    a, b, c, d, e = (talk.id for talk in talks)
    assert await listed(rest, alice, limit=2) == [e, d, c, b, a]
    await patch(rest, alice, talks[0], pinned=True)
    await patch(rest, alice, talks[2], archived=True)
    await patch(rest, alice, talks[3], archived=True, pinned=True)
    await say(replica, gateway, talks[1].read(alice), talks[4].read(alice))
    await patch(rest, alice, talks[1], markedUnread=True)
    assert await listed(rest, alice, limit=1) == [a, e, b]
    assert await listed(rest, alice, archived=True) == [d, c]
    assert await listed(rest, alice, archived=True, pinned=False) == [c]
    assert await listed(rest, alice, unread=True) == [a, b]
    assert await listed(rest, alice, unread=False) == [e]
    assert await listed(rest, alice, pinned=True) == [a]
    assert await listed(rest, alice, archived=False, pinned=False, limit=1) == [e, b]


@pytest.mark.parametrize("page", ["", "!", "WzEsMl0", "W1s0LDAsIngiXSxudWxsLG51bGxd", "bnVsbA"])
async def test_foreign_pages_of_the_list_are_refused(rest: Rest, talk: Talk, page: str) -> None:
    response = await rest(talk.one, "GET", "/chat/conversations", params={"page": page})
    assert response.status_code == 422


async def test_a_conversation_that_moves_is_never_missed(
    rest: Rest, replica: Replica, pool: Pool, gateway: Gateway
) -> None:
    """The oldest ones move to the front while the list is read, so that no page below would show them."""
    alice = await new_person(pool)
    talks = []
    for _ in range(9):
        other = await new_person(pool)
        talks.append(Talk((await replica.conversations.create(alice.id, other.id))[0], alice, other))
        await say(replica, gateway, talks[-1].send(other))
    seen: list[str] = []
    page, moving = None, list(talks[:6])
    while True:
        body = await rest.get(alice, "/chat/conversations", limit=2, **({"page": page} if page else {}))
        assert len(body["items"]) <= 2
        seen += [item["id"] for item in body["items"]]
        page = body["nextPage"]
        if page is None:
            break
        for talk in moving[:2]:
            await say(replica, gateway, talk.send(talk.other))
        del moving[:2]
    assert set(seen) == {talk.id for talk in talks}
    assert not moving


async def test_a_page_of_large_conversations_misses_none_that_moves(
    rest: Rest, replica: Replica, pool: Pool, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is read, has room for two, and before its end is looked up the oldest conversation moves to the front."""
    monkeypatch.setattr(limits, "MAX_PAGE_BYTES", 10_000)
    alice = await new_person(pool)
    talks = []
    for _ in range(7):
        other = await new_person(pool)
        talks.append(Talk((await replica.conversations.create(alice.id, other.id))[0], alice, other))
        await say(replica, gateway, talks[-1].send(other, "x" * 4_000))
    moving = [talks[0]]
    page_of_list = ConversationList.page

    async def after_a_move(*arguments: Any) -> Any:
        for talk in moving:
            moving.remove(talk)
            await say(replica, gateway, talk.send(talk.other, "y" * 4_000))
        return await page_of_list(*arguments)

    monkeypatch.setattr(ConversationList, "page", after_a_move)
    first = await rest.get(alice, "/chat/conversations")
    assert [item["id"] for item in first["items"]] == [talks[0].id, talks[6].id]
    assert not moving
    seen = await listed(rest, alice)
    assert seen == [talk.id for talk in (talks[0], *talks[:0:-1])]
    rest_of_it = await listed(rest, alice, page=first["nextPage"])
    assert rest_of_it == [talk.id for talk in talks[5:0:-1]]


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({}, {"pinned": True}),
        ({"pinned": True}, {"pinned": False}),
        ({"archived": True}, {"archived": False}),
        ({"archived": True, "pinned": True}, {"archived": False}),
        ({"archived": True}, {"archived": False, "pinned": True}),
    ],
)
@pytest.mark.parametrize("limit", [2, 3, 4])
async def test_a_conversation_that_is_moved_by_hand_is_never_missed(
    rest: Rest, replica: Replica, gateway: Gateway, before: dict[str, bool], change: dict[str, bool], limit: int
) -> None:
    """Another device pins, archives and unarchives while the list is read: in a place that was read, or is still to come."""
    alice = await new_person(replica.pool)
    talks = [await talk_of(replica, alice) for _ in range(9)]
    for talk in talks:
        await say(replica, gateway, talk.send(talk.other))
    # The rows are older than any time that a page could compare.
    await replica.pool.execute(
        "UPDATE messaging.conversations SET updated_at = updated_at - interval '1 day' WHERE $1::uuid IN (user_low, user_high)",
        alice.id,
    )
    moving = [talks[0], talks[4], talks[8]]
    for talk in moving:
        if before:
            await patch(rest, alice, talk, **before)
    pages, page = [], None
    while True:
        body = await rest.get(alice, "/chat/conversations", limit=limit, **({"page": page} if page else {}))
        pages.append([item["id"] for item in body["items"]])
        page = body["nextPage"]
        if page is None:
            break
        if moving:
            await patch(rest, alice, moving.pop(0), **change)
    archived = {talk.id for talk in moving if before.get("archived")}
    assert {one for page in pages for one in page} == {talk.id for talk in talks} - archived
    assert all(len(set(page)) == len(page) <= limit for page in pages)


async def test_the_archive_misses_nothing_that_enters_it(rest: Rest, replica: Replica, gateway: Gateway) -> None:
    alice = await new_person(replica.pool)
    talks = [await talk_of(replica, alice) for _ in range(5)]
    for talk in talks:
        await say(replica, gateway, talk.send(talk.other))
    for talk in talks[:4]:
        await patch(rest, alice, talk, archived=True)
    first = await rest.get(alice, "/chat/conversations", archived=True, limit=2)
    await patch(rest, alice, talks[4], archived=True)
    seen = [item["id"] for item in first["items"]]
    page = first["nextPage"]
    while page is not None:
        body = await rest.get(alice, "/chat/conversations", archived=True, limit=2, page=page)
        seen, page = seen + [item["id"] for item in body["items"]], body["nextPage"]
    assert set(seen) == {talk.id for talk in talks}


async def talk_of(replica: Replica, person: Person) -> Talk:
    """A new conversation, with somebody new."""
    other = await new_person(replica.pool)
    return Talk((await replica.conversations.create(person.id, other.id))[0], person, other)


async def test_an_empty_conversation_is_its_creators(
    rest: Rest, replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    assert await listed(rest, talk.one) == [talk.id]
    assert await listed(rest, talk.other) == []
    assert (await rest.get(talk.other, f"/chat/conversations/{talk.id}"))["id"] == talk.id
    await say(replica, gateway, talk.send(talk.one))
    assert await listed(rest, talk.other) == [talk.id]


async def test_whoever_opens_an_empty_conversation_sees_it(rest: Rest, talk: Talk) -> None:
    response = await rest(talk.other, "POST", "/chat/conversations", json={"username": talk.one.username})
    assert response.status_code == 200
    assert await listed(rest, talk.other) == [talk.id]


@pytest.mark.parametrize("own", [False, True], ids=["from-the-other", "own"])
async def test_a_message_ends_archiving(
    rest: Rest, replica: Replica, talk: Talk, gateway: Gateway, *, own: bool
) -> None:
    await say(replica, gateway, talk.send(talk.one))
    await patch(rest, talk.one, talk, archived=True)
    assert await listed(rest, talk.one) == []
    await gateway.until(lambda: len(gateway.events(talk.one, "conversation.updated")) == 1)
    await say(replica, gateway, talk.send(talk.one if own else talk.other))
    await gateway.until(lambda: len(gateway.events(talk.one, "conversation.updated")) == 2)
    conversation = gateway.events(talk.one, "conversation.updated")[-1]["payload"]["conversation"]
    assert (conversation["me"]["archived"], conversation["lastSeq"]) == (False, 2)
    assert await listed(rest, talk.one) == [talk.id]
    assert gateway.events(talk.other, "conversation.updated") == []


async def test_a_muted_conversation_stays_in_the_archive(
    rest: Rest, replica: Replica, talk: Talk, gateway: Gateway, pool: Pool
) -> None:
    await say(replica, gateway, talk.send(talk.one))
    await patch(rest, talk.one, talk, archived=True)
    side = "low" if talk.one.id < talk.other.id else "high"
    mute = f"UPDATE messaging.conversations SET muted_{side}_until = now() + $2 * interval '1 hour' WHERE id = $1::uuid"
    await pool.execute(mute, talk.id, 1.0)
    await say(replica, gateway, talk.send(talk.other))
    assert await listed(rest, talk.one, archived=True) == [talk.id]
    assert (await rest.get(talk.one, f"/chat/conversations/{talk.id}"))["me"]["mutedUntil"] is not None
    await pool.execute(mute, talk.id, -1.0)
    assert (await rest.get(talk.one, f"/chat/conversations/{talk.id}"))["me"]["mutedUntil"] is None
    await say(replica, gateway, talk.send(talk.other))
    assert await listed(rest, talk.one) == [talk.id]


async def test_reading_ends_marked_unread(rest: Rest, replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await say(replica, gateway, talk.send(talk.other), talk.read(talk.one))
    await patch(rest, talk.one, talk, markedUnread=True)
    await gateway.until(lambda: len(gateway.events(talk.one, "conversation.updated")) == 1)
    # Nothing is left to read: the mark goes all the same.
    await say(replica, gateway, talk.read(talk.one))
    await gateway.until(lambda: len(gateway.events(talk.one, "conversation.updated")) == 2)
    shown = gateway.events(talk.one, "conversation.updated")[-1]["payload"]["conversation"]["me"]
    assert (shown["markedUnread"], shown["readSeq"]) == (False, 1)


async def test_a_repeated_clear_does_not_read_the_inbox_again(
    rest: Rest, replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """An inbox may have 4 MiB: Redis did nothing else for tens of milliseconds, as often as a user cleared a conversation."""
    client = partitions.of(talk.one.id).client
    large = keys.key(keys.INBOX_LARGE, talk.one.id)

    async def reads() -> int:
        return int((await client.info("commandstats")).get("cmdstat_xrange", {"calls": 0})["calls"])

    await say(replica, gateway, talk.send(talk.other, "x" * 3_000))
    assert len(await client.lrange(large, 0, -1)) == 1
    await client.expire(keys.key(keys.INBOX, talk.one.id), 60)
    before = await reads()
    await clear(rest, talk.one, talk)
    after = await reads()
    assert after > before
    assert [int(item.split()[1]) < 300 for item in await client.lrange(large, 0, -1)] == [True]
    await clear(rest, talk.one, talk)
    assert await reads() == after
    await say(replica, gateway, talk.send(talk.other, "secret"))
    await clear(rest, talk.one, talk)
    assert await reads() > after
    assert not any("secret" in text for _, text in await inbox(partitions, talk.one))


async def test_a_clear_is_repeated_when_messages_were_still_on_their_way(
    rest: Rest,
    replica: Replica,
    talk: Talk,
    gateway: Gateway,
    partitions: Partitions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They come to the inbox after the first clear."""
    await say(replica, gateway, talk.send(talk.other, "one"))
    await partitions.of(talk.one.id).client.expire(keys.key(keys.INBOX, talk.one.id), 60)
    with monkeypatch.context() as patched:
        patched.setattr(conversation_announcer, "DELIVERY_SECONDS", 0)
        await clear(rest, talk.one, talk)
    cleared = keys.key(keys.INBOX_CLEARED, talk.one.id)
    assert not await partitions.of(talk.one.id).client.exists(cleared)
    await clear(rest, talk.one, talk)
    assert await partitions.of(talk.one.id).client.hgetall(cleared) == {talk.id.encode(): b"1"}


async def test_delete_for_me(
    rest: Rest, replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await say(
        replica, gateway, talk.send(talk.other, "one"), talk.send(talk.one, "two"), talk.send(talk.other, "three")
    )
    await patch(rest, talk.one, talk, pinned=True, markedUnread=True)
    await clear(rest, talk.one, talk)
    await gateway.until(lambda: len(gateway.events(talk.one, "conversation.cleared")) == 1)
    assert gateway.events(talk.one, "conversation.cleared")[0]["payload"] == {
        "conversationId": talk.id,
        "clearedSeq": 3,
    }
    path = f"/chat/conversations/{talk.id}"
    body = await rest.get(talk.one, path)
    assert (body["lastMessage"], body["lastSeq"], body["unread"]) == (None, 3, 0)
    assert body["me"] == UNTOUCHED | {"clearedSeq": 3}
    for query in ({}, {"afterSeq": 0}, {"beforeSeq": 3}, {"aroundSeq": 2}):
        assert (await rest.get(talk.one, f"{path}/messages", **query))["items"] == []
    assert await listed(rest, talk.one) == []
    assert await rest.get(talk.one, "/chat/unread") == {"total": 0, "conversations": {}}
    client = partitions.of(talk.one.id).client
    assert await client.get(keys.key(keys.UNREAD_TOTAL, talk.one.id)) == b"0"
    # The other side notices nothing.
    assert gateway.events(talk.other, "conversation.cleared") == gateway.events(talk.other, "message.read_update") == []
    mirrored = await rest.get(talk.other, path)
    assert (mirrored["lastMessage"]["content"], mirrored["unread"]) == ("three", 1)
    assert {each["readSeq"] for each in mirrored["participants"]} == {0}
    # The next message brings it back, without what was before.
    await say(replica, gateway, talk.send(talk.other, "four"))
    assert await listed(rest, talk.one) == [talk.id]
    assert [item["seq"] for item in (await rest.get(talk.one, f"{path}/messages"))["items"]] == [4]
    assert (await rest.get(talk.one, "/chat/unread"))["total"] == 1
    assert await client.get(keys.key(keys.UNREAD_TOTAL, talk.one.id)) == b"1"
    await say(replica, gateway, talk.read(talk.one))
    assert await client.get(keys.key(keys.UNREAD_TOTAL, talk.one.id)) == b"0"
    assert await replica.counts.compare(talk.one.id) == []


async def test_cleared_history_is_not_replayed(
    rest: Rest, replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    other = await replica.talk()
    await say(replica, gateway, talk.send(talk.other, "secret"), talk.send(talk.one, "reply secret"))
    await patch(rest, talk.one, talk, pinned=True)
    elsewhere = Talk((await replica.conversations.create(talk.one.id, other.one.id))[0], talk.one, other.one)
    await say(replica, gateway, elsewhere.send(other.one, "kept"))
    await clear(rest, talk.one, talk)
    entries = await inbox(partitions, talk.one)
    texts = [text for _, text in entries]
    assert not any("secret" in text for text in texts)
    assert sum("kept" in text for text in texts) == 1
    offsets = [offset for offset, _ in entries]
    assert offsets == list(range(offsets[0], offsets[0] + len(entries)))
    # The other side keeps what it has.
    assert any("secret" in text for _, text in await inbox(partitions, talk.other))


async def test_around_a_message(rest: Rest, replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await say(replica, gateway, *(talk.send(talk.one, str(number)) for number in range(1, 31)))
    path = f"/chat/conversations/{talk.id}/messages"

    async def around(seq: int, limit: int) -> list[int]:
        return [item["seq"] for item in (await rest.get(talk.other, path, aroundSeq=seq, limit=limit))["items"]]

    assert await around(15, 5) == [13, 14, 15, 16, 17]
    assert await around(1, 5) == [1, 2, 3, 4, 5]
    assert await around(30, 5) == [26, 27, 28, 29, 30]
    assert await around(99, 4) == [27, 28, 29, 30]
    assert await around(2, 100) == list(range(1, 31))


async def test_pages_are_bounded_in_bytes(rest: Rest, replica: Replica, talk: Talk, gateway: Gateway) -> None:
    media = '[{"url":"https://cdn.example/%s","type":"image"}]' % ("x" * 30_000)
    for _ in range(5):
        await say(replica, gateway, *(talk.send(talk.one, None, media=media) for _ in range(10)))
    path = f"/chat/conversations/{talk.id}/messages"
    first = await rest.get(talk.other, path, afterSeq=0, limit=100)
    assert 0 < len(first["items"]) * 30_000 <= 1024 * 1024
    seqs, page = [item["seq"] for item in first["items"]], first["nextPage"]
    while page is not None:
        body = await rest.get(talk.other, path, page=page, limit=100)
        seqs, page = seqs + [item["seq"] for item in body["items"]], body["nextPage"]
    assert seqs == list(range(1, 51))
