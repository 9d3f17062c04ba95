"""REST: conversations, history, unread counts, blocks and the profile, as the contract lists them."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from services.messaging.stores.messages import Draft
from shared.postgres import Pool
from shared.redis import MAX_CONNECTIONS
from shared.rest import encode_page, rate_limit
from tests.support.messaging import Replica, Talk, new_person
from tests.support.messaging_process import SECRET
from tests.support.messaging_rest import Rest

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)


async def fill(replica: Replica, talk: Talk, messages: int) -> None:
    sends = [talk.send(talk.one, f"message {number}") for number in range(1, messages + 1)]
    await replica.messages.append([Draft(send, f"{uuid.uuid4()}") for send in sends])


def seqs(page: Any) -> list[int]:
    return [item["seq"] for item in page["items"]]


async def test_a_token_has_no_time_left_after_its_end(rest: Rest, pool: Pool) -> None:
    claims = {"sub": (await new_person(pool)).id, "exp": time.time() - 1}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    assert (await rest.client.get("/chat/unread", headers=headers)).status_code == 401


async def test_a_conversation_is_made_once(rest: Rest, pool: Pool) -> None:
    alice, bob = await new_person(pool), await new_person(pool)
    first = await rest(alice, "POST", "/chat/conversations", json={"username": bob.username})
    again = await rest(alice, "POST", "/chat/conversations", json={"userId": bob.id.upper()})
    mirrored = await rest(bob, "POST", "/chat/conversations", json={"username": alice.username})
    assert [response.status_code for response in (first, again, mirrored)] == [201, 200, 200]
    assert first.json() == again.json() == mirrored.json()
    body = first.json()
    assert (body["lastMessage"], body["lastSeq"], body["unread"]) == (None, 0, 0)
    assert {participant["id"] for participant in body["participants"]} == {alice.id, bob.id}
    assert set(body["participants"][0]) == {"id", "username", "displayName", "avatar", "readSeq", "deliveredSeq"}


async def test_two_who_want_one_at_once_make_one(rest: Rest, pool: Pool) -> None:
    alice, bob = await new_person(pool), await new_person(pool)
    wishes = [(alice, {"username": bob.username}), (bob, {"userId": alice.id})] * 10
    answers = await asyncio.gather(*(rest(person, "POST", "/chat/conversations", json=wish) for person, wish in wishes))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await rest.get(bob, "/chat/conversations"))["items"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "nobody-at-all"}, 404, "user_not_found"),
        ({"userId": "00000000-0000-0000-0000-000000000001"}, 404, "user_not_found"),
        ({"userId": "not-a-uuid"}, 422, "validation_error"),
        ({"username": "nul\0"}, 422, "validation_error"),
        ({}, 422, "validation_error"),
        ([], 422, "validation_error"),
    ],
)
async def test_conversations_that_cannot_be(rest: Rest, pool: Pool, body: Any, status: int, code: str) -> None:
    response = await rest(await new_person(pool), "POST", "/chat/conversations", json=body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_nobody_talks_to_oneself(rest: Rest, pool: Pool) -> None:
    person = await new_person(pool)
    response = await rest(person, "POST", "/chat/conversations", json={"userId": person.id})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")


async def test_a_block_shows_in_no_answer(rest: Rest, replica: Replica, pool: Pool) -> None:
    """Who is blocked can't tell it from absence, except by sending."""
    alice, bob = await new_person(pool), await new_person(pool)
    await replica.blocks.set(bob.id, alice.id, active=True)
    response = await rest(alice, "POST", "/chat/conversations", json={"username": bob.username})
    assert response.status_code == 201


async def test_outsiders_find_nothing(rest: Rest, replica: Replica, talk: Talk, pool: Pool) -> None:
    await fill(replica, talk, 1)
    stranger = await new_person(pool)
    nowhere = "00000000-0000-0000-0000-000000000001"
    for person, conversation in ((stranger, talk.id), (talk.one, nowhere)):
        for path in (f"/chat/conversations/{conversation}", f"/chat/conversations/{conversation}/messages"):
            response = await rest(person, "GET", path)
            assert (response.status_code, response.json()["error"]["code"]) == (404, "conversation_not_found")
    assert await rest.get(stranger, "/chat/conversations") == {"items": [], "nextPage": None}


async def test_a_message_in_history(rest: Rest, replica: Replica, talk: Talk) -> None:
    media = '[{"url": "https://a/1.jpg", "type": "image", "width": 3}]'
    await replica.messages.append([Draft(talk.send(talk.one, None, "t1", media), "t1")])
    (message,) = (await rest.get(talk.other, f"/chat/conversations/{talk.id}/messages"))["items"]
    assert message["media"] == [{"url": "https://a/1.jpg", "type": "image", "width": 3}]
    assert (message["content"], message["type"], message["senderId"]) == (None, "image", talk.one.id)
    assert message["sender"]["username"] == talk.one.username
    assert (message["isRead"], message["readAt"], message["deliveredAt"]) == (False, None, None)


async def test_history_forward_and_backward(rest: Rest, replica: Replica, talk: Talk) -> None:
    await fill(replica, talk, 7)
    path = f"/chat/conversations/{talk.id}/messages"
    assert seqs(await rest.get(talk.one, path)) == [1, 2, 3, 4, 5, 6, 7]
    assert seqs(await rest.get(talk.one, path, afterSeq=4)) == [5, 6, 7]
    assert seqs(await rest.get(talk.one, path, afterSeq=7)) == []
    assert seqs(await rest.get(talk.one, path, beforeSeq=4)) == [1, 2, 3]
    assert seqs(await rest.get(talk.one, path, beforeSeq=7, limit=2)) == [5, 6]
    newest = await rest.get(talk.one, path, limit=3)
    older = await rest.get(talk.one, path, limit=3, page=newest["nextPage"])
    oldest = await rest.get(talk.one, path, limit=3, page=older["nextPage"])
    assert [seqs(page) for page in (newest, older, oldest)] == [[5, 6, 7], [2, 3, 4], [1]]
    assert oldest["nextPage"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "afterSeq=-1", "beforeSeq=0", "afterSeq=1&beforeSeq=3", "page=%21", "afterSeq=x"]
)
async def test_bad_queries(rest: Rest, talk: Talk, query: str) -> None:
    response = await rest(talk.one, "GET", f"/chat/conversations/{talk.id}/messages?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize(
    ("path", "positions"),
    [
        ("conversations", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "yesterday", ""]),
        ("blocks", ["9" * 30, "-1", "1.5", ""]),
    ],
)
async def test_pages_that_nobody_gave_out(rest: Rest, pool: Pool, path: str, positions: list[str]) -> None:
    person = await new_person(pool)
    for position in positions:
        page = encode_page(f"{position}|{person.id}" if path == "conversations" else position)
        response = await rest(person, "GET", f"/chat/{path}", params={"page": page})
        assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")


async def chunks() -> AsyncIterator[bytes]:
    """A body whose length nobody announces."""
    for _ in range(5):
        yield b"x" * 20_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("x" * 70_000, 413),
        (chunks, 413),
        (b"\xff\xfe", 422),
        ("[" * 30_000, 422),
        ('{"username": "\\ud800"}', 422),
        ('{"username": NaN}', 422),
    ],
    ids=["announced", "streamed", "not-utf-8", "deep", "surrogate", "nan"],
)
async def test_bodies_that_cannot_be_read(rest: Rest, pool: Pool, body: Any, status: int) -> None:
    content = body() if callable(body) else body
    response = await rest(await new_person(pool), "POST", "/chat/conversations", content=content)
    assert (response.status_code, response.json()["error"]["code"]) == (status, "validation_error")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "conversations/", 404),
        ("GET", "nothing", 404),
        ("DELETE", "conversations", 405),
        ("PUT", "users/me", 405),
    ],
)
async def test_what_is_not_there_is_an_error_object(
    rest: Rest, pool: Pool, method: str, path: str, status: int
) -> None:
    response = await rest(await new_person(pool), method, f"/chat/{path}")
    assert (response.status_code, response.json()["type"]) == (status, "error")


async def test_conversations_newest_first_in_pages(rest: Rest, replica: Replica, talk: Talk) -> None:
    """Of two with the same time the higher id comes first, so that pages neither repeat nor lose one."""
    talks = [talk]
    for _ in range(4):
        other = await new_person(replica.pool)
        conversation_id, _ = await replica.conversations.create(talk.one.id, other.id)
        talks.append(Talk(conversation_id, talk.one, other))
    await fill(replica, talks[0], 2)
    hours = dict(zip([one.id for one in talks], [3, 1, 1, 2, 1], strict=True))
    for conversation_id, hour in hours.items():
        await replica.pool.execute(
            "UPDATE messaging.conversations SET updated_at = $2 WHERE id = $1",
            conversation_id,
            datetime(2024, 1, 1, hour, tzinfo=UTC),
        )
    found, page = [], None
    while True:
        answer = await rest.get(talk.one, "/chat/conversations", limit=2, **({"page": page} if page else {}))
        found += answer["items"]
        page = answer["nextPage"]
        if page is None:
            break
    tied = sorted((one.id for one in talks if hours[one.id] == 1), reverse=True)
    assert [item["id"] for item in found] == [talks[0].id, talks[3].id, *tied]
    assert (await rest.get(talk.one, "/chat/conversations"))["items"] == found
    assert (found[0]["lastMessage"]["content"], found[0]["lastSeq"]) == ("message 2", 2)


async def test_a_message_brings_its_conversation_to_the_top(rest: Rest, replica: Replica, talk: Talk) -> None:
    other = await new_person(replica.pool)
    newer, _ = await replica.conversations.create(talk.one.id, other.id)
    await replica.pool.execute(
        "UPDATE messaging.conversations SET updated_at = now() - interval '1 hour' WHERE id = ANY ($1::uuid[])",
        [talk.id, newer],
    )
    for talked in (talk, Talk(newer, talk.one, other)):
        await fill(replica, talked, 1)
        assert (await rest.get(talk.one, "/chat/conversations", limit=1))["items"][0]["id"] == talked.id
        await replica.pool.execute(
            "UPDATE messaging.conversations SET updated_at = updated_at - interval '1 minute' WHERE id = $1", talked.id
        )


async def test_a_crowd_waits_for_its_turn(rest: Rest, talk: Talk, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """More requests at once than there are connections to Redis: none is turned away."""
    # However busy the machine is.
    monkeypatch.setattr(rate_limit, "ANSWER_SECONDS", 60.0)
    people = [talk.one, talk.other, *[await new_person(pool) for _ in range(4)]]
    calls = (rest(people[number % 6], "GET", "/chat/unread") for number in range(4 * MAX_CONNECTIONS))
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}


async def test_unread_of_each_side(rest: Rest, replica: Replica, talk: Talk) -> None:
    await fill(replica, talk, 3)
    assert await rest.get(talk.other, "/chat/unread") == {"total": 3, "conversations": {talk.id: 3}}
    assert await rest.get(talk.one, "/chat/unread") == {"total": 0, "conversations": {}}
    assert (await rest.get(talk.other, f"/chat/conversations/{talk.id}"))["unread"] == 3


async def test_blocks_newest_first(rest: Rest, replica: Replica, talk: Talk, pool: Pool) -> None:
    people = [talk.other, await new_person(pool), await new_person(pool)]
    for person in people:
        await replica.blocks.set(talk.one.id, person.id, active=True)
    await replica.blocks.set(talk.one.id, people[1].id, active=False)
    first = await rest.get(talk.one, "/chat/blocks", limit=1)
    second = await rest.get(talk.one, "/chat/blocks", limit=1, page=first["nextPage"])
    assert [item["username"] for item in first["items"] + second["items"]] == [people[2].username, people[0].username]
    assert (set(first["items"][0]), second["nextPage"]) == ({"username", "blockedAt"}, None)
    assert (await rest.get(talk.other, "/chat/blocks"))["items"] == []


async def test_the_profile(rest: Rest, pool: Pool) -> None:
    person = await new_person(pool)
    change = {"displayName": "สมชาย", "avatar": "https://cdn.example/a.png"}
    changed = await rest(person, "PATCH", "/chat/users/me", json=change)
    assert changed.json() == {"id": person.id, "username": person.username, **change}
    cleared = await rest(person, "PATCH", "/chat/users/me", json={"avatar": None})
    assert cleared.json() == await rest.get(person, "/chat/users/me") == {**changed.json(), "avatar": None}
    for bad in (
        *({"displayName": name} for name in ("", " \t", "x" * 256, "nul\0", None, 5)),
        *({"avatar": url} for url in ("", "javascript:alert(1)", "http://a/1.png", "https://a/" + "x" * 2048)),
    ):
        assert (await rest(person, "PATCH", "/chat/users/me", json=bad)).status_code == 422


@pytest.mark.parametrize(
    "path",
    ["conversations", "conversations/00000000-0000-0000-0000-000000000001", "unread", "blocks", "users/me"],
)
async def test_without_a_token_nothing_is_shown(rest: Rest, path: str) -> None:
    response = await rest.client.get(f"/chat/{path}")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
