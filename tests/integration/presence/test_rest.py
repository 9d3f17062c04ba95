"""The REST interface of presence."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest

from services.presence import rest
from services.presence.app import Presence
from services.presence.settings import PresenceSettings
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.relay import BlockChanged
from shared.redis import Partitions
from tests.support.presence import Device, FakeClock, Gateways, Replica
from tests.support.redis import clients

SECRET = "integration-test-secret-0123456789abcdef"


@dataclass
class Person:
    """A user who calls."""

    client: httpx.AsyncClient
    user_id: str
    username: str

    async def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """The JSON of an answer with this status."""
        claims = {"sub": self.user_id, "exp": time.time() + 60, "preferred_username": self.username, "name": "N"}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
        response = await self.client.request(method, f"/chat{path}", headers=headers, **options)
        assert response.status_code == status, response.text
        return response.json()

    async def follow(self, other: "Person", status: int = 200) -> Any:
        """PUT a follow."""
        return await self.call("PUT", f"/follows/{quote(other.username, safe='')}", status)

    async def befriend(self, other: "Person") -> None:
        """Each follows the other."""
        await self.follow(other)
        await other.follow(self)


@pytest.fixture
async def client(
    database_url: str, redis_url: str, pool: Pool, partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    settings = {
        "DATABASE_URL": database_url,
        "AMQP_URL": "amqp://127.0.0.1:1",
        "REDIS_URLS": redis_url,
        "JWT_SECRET": SECRET,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CHAT_{name}", value)
    process = Presence(PresenceSettings(), pool, partitions)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(process.app()), base_url="http://presence") as opened:
        yield opened


@pytest.fixture
async def people(client: httpx.AsyncClient) -> list[Person]:
    """Three people whom the directory knows."""
    made = [Person(client, str(uuid.uuid4()), f"{name}/{uuid.uuid4().hex} é") for name in ("anna", "bert", "cleo")]
    for person in made:
        await person.call("GET", "/friends")
    return made


async def test_follow_and_unfollow(people: list[Person]) -> None:
    anna, bert, _ = people
    first = await anna.follow(bert)
    assert first["followedAt"] is not None
    known = {"userId": bert.user_id, "username": bert.username}
    assert first == known | {"following": True, "isFriend": False, "followedAt": first["followedAt"]}
    assert await anna.follow(bert) == first
    assert (await bert.follow(anna))["isFriend"] is True
    assert (await anna.follow(bert))["isFriend"] is True
    for _ in range(2):
        gone = await anna.call("DELETE", f"/follows/{quote(bert.username, safe='')}")
        assert gone == known | {"following": False, "isFriend": False, "followedAt": None}
    assert (await bert.call("GET", "/friends"))["items"] == []


async def test_nobody_and_oneself(people: list[Person]) -> None:
    anna = people[0]
    assert (await anna.follow(anna, 422))["error"]["code"] == "validation_error"
    for path in ("/follows/nobody", "/follows/no%00body", "/follows/%FF"):
        for method in ("PUT", "DELETE"):
            assert (await anna.call(method, path, 404))["error"]["code"] == "user_not_found"


async def test_friends_come_in_pages(people: list[Person]) -> None:
    anna, *others = people
    for other in others:
        await anna.befriend(other)
    page = await anna.call("GET", "/friends", params={"limit": 1})
    rest = await anna.call("GET", "/friends", params={"limit": 1, "page": page["nextPage"]})
    assert rest["nextPage"] is None
    friends = [*page["items"], *rest["items"]]
    assert [friend["userId"] for friend in friends] == sorted(other.user_id for other in others)
    assert {friend["username"] for friend in friends} == {other.username for other in others}
    offline = {"isOnline": False, "status": "offline", "lastSeen": None, "displayName": "N", "avatar": None}
    assert all(friend.items() >= offline.items() for friend in friends)
    assert (await anna.call("GET", "/friends", 422, params={"page": "bm9uc2Vuc2U"}))["type"] == "error"


async def test_presence_is_for_friends(
    people: list[Person], replica: Replica, gateways: Gateways, clock: FakeClock
) -> None:
    anna, bert, cleo = people
    await anna.befriend(bert)
    device = await gateways.plug(Device(bert.user_id, "gateway-1"))
    await replica.handle(device.connected(clock.now), device.chose("away", clock.now))
    asked = [cleo.user_id, bert.user_id.upper(), bert.user_id, anna.user_id, str(uuid.uuid4())]
    answer = await anna.call("GET", "/presence", params={"userId": asked})
    shown = {"userId": bert.user_id, "isOnline": True, "status": "away", "lastSeen": "2023-11-14T22:13:20.000Z"}
    assert answer == {"items": [shown], "nextPage": None}


async def test_a_block_looks_like_absence(
    people: list[Person], replica: Replica, gateways: Gateways, clock: FakeClock
) -> None:
    anna, bert, cleo = people
    await anna.befriend(bert)
    await anna.befriend(cleo)
    device = await gateways.plug(Device(bert.user_id, "gateway-1"))
    await replica.handle(device.connected(clock.now))
    clock.now += 2000
    await replica.handle(BlockChanged(bert.user_id, anna.user_id, True, 1))
    clock.now += 2000
    await replica.handle(device.chose("busy", clock.now))
    absent = {"userId": bert.user_id, "isOnline": False, "status": "offline", "lastSeen": "2023-11-14T22:13:22.000Z"}
    assert (await anna.call("GET", "/presence", params={"userId": bert.user_id}))["items"] == [absent]
    friends = (await anna.call("GET", "/friends"))["items"]
    assert [friend["userId"] for friend in friends] == sorted([bert.user_id, cleo.user_id])
    assert [friend for friend in friends if friend.items() >= absent.items()]
    assert (await anna.follow(bert))["isFriend"] is True
    (shown,) = (await bert.call("GET", "/presence", params={"userId": anna.user_id}))["items"]
    assert shown == absent | {"userId": anna.user_id, "lastSeen": None}
    await replica.handle(BlockChanged(bert.user_id, anna.user_id, False, 2))
    (shown,) = (await anna.call("GET", "/presence", params={"userId": bert.user_id}))["items"]
    assert shown["status"] == "busy"
    assert (await anna.call("DELETE", f"/follows/{quote(bert.username, safe='')}"))["isFriend"] is False


@pytest.mark.parametrize("asked", [[], ["nonsense"], [str(uuid.uuid4())] * 101])
async def test_presence_refuses(people: list[Person], asked: list[str]) -> None:
    answer = await people[0].call("GET", "/presence", 422, params={"userId": asked})
    assert answer["error"]["code"] == "validation_error"


async def test_nothing_without_token(client: httpx.AsyncClient) -> None:
    for method, path in [("GET", "/friends"), ("GET", "/presence"), ("PUT", "/follows/x"), ("DELETE", "/follows/x")]:
        response = await client.request(method, f"/chat{path}")
        assert response.status_code == 401


async def test_friends_whose_leases_are_lost_are_not_called_offline(
    people: list[Person], partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "RESTORING_SECONDS", 0)
    anna, bert, _ = people
    await anna.befriend(bert)
    for client in clients(partitions):
        await client.delete(keys.LEASES_KNOWN)
    assert (await anna.call("GET", f"/presence?userId={bert.user_id}"))["items"] == []
    assert (await anna.call("GET", "/friends", 503))["error"]["code"] == "unavailable"


async def test_friends_are_listed_once_their_leases_are_known_again(
    people: list[Person], partitions: Partitions
) -> None:
    anna, bert, _ = people
    await anna.befriend(bert)
    for client in clients(partitions):
        await client.delete(keys.LEASES_KNOWN)
    asked = asyncio.create_task(anna.call("GET", "/friends"))
    done, _ = await asyncio.wait([asked], timeout=2 * rest.ASK_AGAIN_SECONDS)
    assert not done
    for client in clients(partitions):
        await client.set(keys.LEASES_KNOWN, "1")
    assert [friend["userId"] for friend in (await asked)["items"]] == [bert.user_id]
