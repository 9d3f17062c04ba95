"""Plain reads past the framework: which requests are plain, and that the others get FastAPI's answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Query
from starlette.types import Scope

from shared.auth import Principal, TokenError
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import Bounds, Health, PageQuery, create_app, turns
from shared.rest.direct import UUID, DirectRoute, add_direct
from shared.rest.paging import MAX_PAGE_TOKEN_CHARACTERS
from shared.rest.query_limit import MAX_QUERY_BYTES, MAX_QUERY_PARAMETERS
from shared.rest.turns import AT_ONCE

USER = "550e8400-e29b-41d4-a716-446655440000"
PATH = f"/things/{USER}/parts"


class Authenticator:
    """Believes everybody who says something."""

    async def current_user(self, scope: Scope) -> Principal:
        """The user."""
        if b"authorization" not in dict(scope["headers"]):
            raise TokenError("no bearer token", missing=True)
        return Principal(USER, expires_at=9e9)


async def direct(user: Principal, thing: str, query: PageQuery) -> bytes:
    if query.page == "gone":
        raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
    return f'["direct", "{user.user_id}", "{thing}", {query.limit}]'.encode()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("things", Health({}))
    app.state.authenticator = Authenticator()
    add_direct(app, DirectRoute(f"/things/{UUID}/parts", PageQuery, direct))

    @app.get("/things/{thing}/parts")
    async def slow(thing: str, query: Annotated[PageQuery, Query()]) -> list[Any]:
        return ["slow", thing, query.limit]

    @app.post("/things/{thing}/parts")
    async def post(thing: str) -> list[str]:
        return ["posted", thing]

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"Authorization": "x"}) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "limit"), [("", 50), ("?limit=7", 7), ("?limit=7&other=1&other=2x", 7), ("?page=a%20b", 50)]
)
async def test_plain_requests_go_the_short_way(http: httpx.AsyncClient, query: str, limit: int) -> None:
    answer = await http.get(PATH + query)
    assert (answer.status_code, answer.json()) == (200, ["direct", USER, USER, limit])
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?limit=x", "?limit="])
async def test_a_fault_gets_the_frameworks_words(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(PATH + query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")
    assert "limit" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "?x=" + "y" * MAX_QUERY_BYTES,
        "?" + "&" * MAX_QUERY_PARAMETERS,
        "?limit=7" + "&x=" * MAX_QUERY_PARAMETERS,
        "?page=" + "x" * (MAX_PAGE_TOKEN_CHARACTERS + 1),
    ],
    ids=["bytes", "empty parameters", "parameters", "page"],
)
async def test_bounds_of_queries_hold_on_the_short_way(http: httpx.AsyncClient, query: str) -> None:
    """A query that takes long to take apart is refused before anybody does."""
    answer = await http.get(PATH + query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")


async def test_a_query_at_its_bounds_goes_the_short_way(http: httpx.AsyncClient) -> None:
    query = "limit=7" + "&x=1" * (MAX_QUERY_PARAMETERS - 1)
    assert (await http.get(f"{PATH}?{query}")).json()[0] == "direct"
    assert (await http.get(f"{PATH}?x={'y' * (MAX_QUERY_BYTES - 2)}")).json()[0] == "direct"


async def test_bounds_of_bodies_hold_on_the_short_way(http: httpx.AsyncClient) -> None:
    """A GET may bring a body, which nobody reads: as large as any, and no larger."""
    large = b"x" * (limits.MAX_REQUEST_BODY_BYTES + 1)
    announced = await http.request("GET", PATH, content=large)
    assert (announced.status_code, announced.json()["error"]["code"]) == (413, "validation_error")

    async def parts() -> AsyncIterator[bytes]:
        yield large[:1000]
        yield large[1000:]

    streamed = await http.request("GET", PATH, content=parts())
    assert streamed.status_code == 413
    assert (await http.request("GET", PATH, content=large[1:])).json()[0] == "direct"


async def test_a_slow_body_is_cut_off_on_the_short_way(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.rest.body_limit.BODY_SECONDS", 0.05)
    never = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"x"
        await never.wait()

    assert (await http.request("GET", PATH, content=parts())).status_code == 408


async def test_turns_and_places_hold_on_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a token's turns: 429. Without a free place in time: 503."""
    monkeypatch.setattr(turns, "MAX_WAIT_SECONDS", 0.5)
    app = create_app("things", Health({}), bounds=Bounds(user_rate=1, most_at_once=1, wait_seconds=0.05))
    app.state.authenticator = Authenticator()
    working = asyncio.Event()

    async def busy(_user: Principal, _thing: str, _query: PageQuery) -> bytes:
        await working.wait()
        return b"[]"

    add_direct(app, DirectRoute(f"/things/{UUID}/parts", PageQuery, busy))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"Authorization": "x"}) as client:
        first = asyncio.create_task(client.get(PATH))
        others = await asyncio.gather(*(client.get(PATH) for _ in range(3 * AT_ONCE)))
        working.set()
        assert (await first).status_code == 200
    assert {answer.status_code for answer in others} == {429, 503}


async def test_a_parameter_given_twice_is_not_plain(http: httpx.AsyncClient) -> None:
    assert (await http.get(PATH + "?limit=3&limit=4")).json()[0] == "slow"


async def test_other_paths_and_methods_are_not_its(http: httpx.AsyncClient) -> None:
    assert (await http.get("/things/seven/parts")).json()[0] == "slow"
    assert (await http.post(PATH)).json()[0] == "posted"
    assert (await http.delete(PATH)).status_code == 405


async def test_errors_are_those_of_the_contract(http: httpx.AsyncClient) -> None:
    gone = await http.get(PATH + "?page=gone")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "conversation_not_found")
    nobody = await http.get(PATH, headers={"Authorization": "x"}, params={})
    assert nobody.status_code == 200
    del http.headers["Authorization"]
    refused = await http.get(PATH)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
