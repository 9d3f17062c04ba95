"""Finding users, and how many conversations and searches one user may begin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from services.messaging.app import Messaging
from services.messaging.settings import Settings
from shared.auth import Principal
from shared.directory import Directory
from shared.postgres import Pool
from shared.redis import Partitions
from tests.support.messaging import Person, Replica, Talk, new_person
from tests.support.messaging_process import SECRET
from tests.support.messaging_rest import Rest

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)


async def names(rest: Rest, person: Person, **query: str) -> list[str]:
    return [item["username"] for item in (await rest.get(person, "/chat/users", **query))["items"]]


async def make(pool: Pool, username: str) -> Person:
    person = await new_person(pool)
    await Directory(pool).ensure(Principal(person.id, 0, username=username))
    return Person(person.id, username)


async def test_users_are_found_by_name(rest: Rest, pool: Pool, talk: Talk) -> None:
    person = await make(pool, f"Zoë-{talk.id[:8]}")
    body = await rest.get(talk.one, "/chat/users", username=f"ZOË-{talk.id[:8]}")
    assert body["nextPage"] is None
    (found,) = body["items"]
    assert found == {"id": person.id, "username": person.username, "displayName": found["displayName"], "avatar": None}
    assert await names(rest, talk.one, username="nobody-at-all") == []


async def test_users_are_found_by_the_beginning_of_a_name(rest: Rest, pool: Pool, talk: Talk) -> None:
    begin = f"p%_{talk.id[:8]}"
    people = [await make(pool, f"{begin}-{number:02}") for number in range(22)]
    await make(pool, f"pxx{talk.id[:8]}")
    assert await names(rest, talk.one, prefix=begin.upper()) == [person.username for person in people[:20]]
    # Oneself is not somebody to write to.
    assert await names(rest, people[0], prefix=begin + "-00") == []


async def test_blocked_users_do_not_see_each_other(rest: Rest, replica: Replica, pool: Pool, talk: Talk) -> None:
    one, other = await make(pool, f"one-{talk.id}"), await make(pool, f"other-{talk.id}")
    await replica.blocks.set(one.id, other.id, active=True)
    for searcher, hidden in ((one, other), (other, one)):
        assert await names(rest, searcher, username=hidden.username) == []
        assert await names(rest, searcher, prefix=hidden.username) == []
    await replica.blocks.set(one.id, other.id, active=False)
    assert await names(rest, other, username=one.username) == [one.username]


@pytest.mark.parametrize("query", [{}, {"prefix": "ab"}, {"prefix": "abc", "username": "abc"}, {"username": ""}])
async def test_searches_that_make_no_sense(rest: Rest, talk: Talk, query: dict[str, str]) -> None:
    response = await rest(talk.one, "GET", "/chat/users", params=query)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize("text", ["\0", "a\0b", "..", ".", "a\nb", "%", "a" * 255, "\ufeff"])
async def test_odd_names_are_nobodys(rest: Rest, talk: Talk, text: str) -> None:
    assert await names(rest, talk.one, username=text) == []


@asynccontextmanager
async def rest_with(
    pool: Pool, partitions: Partitions, database_url: str, redis_url: str, **settings: float
) -> AsyncIterator[Rest]:
    """The REST API of a replica with other settings."""
    urls = {"database_url": database_url, "amqp_url": "amqp://127.0.0.1:1/", "redis_urls": redis_url}
    given = Settings.model_validate({**urls, "jwt_secret": SECRET, **settings})
    transport = httpx.ASGITransport(Messaging(given, pool, partitions, pool).http().app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://messaging") as client:
        yield Rest(client)


async def test_operators_may_turn_searches_by_beginning_off(
    pool: Pool, partitions: Partitions, talk: Talk, database_url: str, redis_url: str
) -> None:
    async with rest_with(pool, partitions, database_url, redis_url, user_search_by_prefix=False) as rest:
        response = await rest(talk.one, "GET", "/chat/users", params={"prefix": talk.other.username[:5]})
        assert response.status_code == 403
        assert await names(rest, talk.one, username=talk.other.username) == [talk.other.username]


async def test_searches_are_bounded(rest: Rest, talk: Talk) -> None:
    """Sixty at once, and one more each second, which is slower than they are made here."""
    statuses = [(await rest(talk.one, "GET", "/chat/users", params={"username": "x"})).status_code for _ in range(100)]
    assert statuses[:60] == [200] * 60
    assert 429 in statuses


async def test_reports_are_bounded(rest: Rest, talk: Talk) -> None:
    """A report may copy a hundred large messages."""
    body = {"conversationId": talk.id, "seqs": [1], "reason": "spam"}
    codes = [(await rest(talk.one, "POST", "/chat/reports", json=body)).json()["error"]["code"] for _ in range(31)]
    assert codes == ["message_not_found"] * 30 + ["rate_limit_exceeded"]
    other = await rest(talk.other, "POST", "/chat/reports", json=body)
    assert other.json()["error"]["code"] == "message_not_found"


async def test_new_conversations_are_bounded_and_standing_ones_are_not(rest: Rest, pool: Pool, talk: Talk) -> None:
    people = [await new_person(pool) for _ in range(62)]
    for person in people[:60]:
        response = await rest(talk.one, "POST", "/chat/conversations", json={"userId": person.id})
        assert response.status_code == 201
    refused = await rest(talk.one, "POST", "/chat/conversations", json={"userId": people[61].id})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    standing = await rest(talk.one, "POST", "/chat/conversations", json={"userId": people[0].id})
    assert standing.status_code == 200


async def test_a_user_who_was_never_seen(rest: Rest, talk: Talk) -> None:
    response = await rest(talk.one, "POST", "/chat/conversations", json={"username": "nobody-at-all"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "user_not_found")
    assert "server API" in response.json()["error"]["message"]


async def test_a_user_sees_what_is_left(rest: Rest, talk: Talk) -> None:
    response = await rest(talk.one, "GET", "/chat/unread")
    assert response.headers["RateLimit-Policy"] == '"user";q=100;w=5'
    assert response.headers["RateLimit"] == '"user";r=99;t=1'


async def test_requests_of_one_user_are_bounded(
    pool: Pool, partitions: Partitions, talk: Talk, database_url: str, redis_url: str
) -> None:
    """One more each second, not 20 as usual: a busy machine must make them faster than that."""
    async with rest_with(pool, partitions, database_url, redis_url, rest_requests_per_second=1) as rest:
        responses = [await rest(talk.one, "GET", "/chat/unread") for _ in range(160)]
        elsewhere = await rest(talk.other, "GET", "/chat/unread")
    assert {response.status_code for response in responses} == {200, 429}
    assert [response.status_code for response in responses[:100]] == [200] * 100
    refused = next(response for response in responses if response.status_code == 429)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"user";r=0;t=1'
    assert elsewhere.status_code == 200
