"""Plain reads past the framework: which requests are plain, and that the others get FastAPI's answer."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Query
from starlette.types import Scope

from shared.auth import Principal, TokenError
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import Health, PageQuery, create_app
from shared.rest.direct import UUID, DirectRoute, add_direct

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
