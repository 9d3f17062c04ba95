"""The development server: logins only where they are wanted, and files that a browser takes for modules."""

from collections.abc import AsyncIterator

import httpx
import jwt
import pytest
from pydantic import SecretStr

from tools.devserver import DevserverSettings, build
from tools.devtoken import LOCAL_SECRET, user_id


def client_of(settings: DevserverSettings) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(build(settings)), base_url="http://devserver")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(DevserverSettings(dev_login=True)) as opened:
        yield opened


async def test_a_login_gives_a_token(client: httpx.AsyncClient) -> None:
    response = await client.post("/dev/login", json={"username": "alice", "name": "Alice A."})
    assert response.status_code == 200
    session = response.json()
    claims = jwt.decode(session["token"], LOCAL_SECRET, algorithms=["HS256"])
    assert session == {
        "token": session["token"],
        "userId": str(user_id("alice")),
        "username": "alice",
        "expiresAt": claims["exp"],
    }
    assert claims["name"] == "Alice A."


@pytest.mark.parametrize("body", [{}, {"username": ""}, {"username": "a b"}, {"username": "x" * 65}, []])
async def test_a_bad_login_is_refused_with_the_error_object(client: httpx.AsyncClient, body: object) -> None:
    response = await client.post("/dev/login", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "validation_error"


async def test_without_the_setting_there_is_no_login() -> None:
    async with client_of(DevserverSettings(dev_login=False)) as client:
        response = await client.post("/dev/login", json={"username": "alice"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


async def logged_in(settings: DevserverSettings) -> int:
    async with client_of(settings) as client:
        return (await client.post("/dev/login", json={"username": "alice"})).status_code


async def test_with_a_secret_of_ones_own_the_login_must_be_allowed_too() -> None:
    own = SecretStr("a-secret-of-the-operators-own-0123456789")
    assert await logged_in(DevserverSettings(dev_login=True, jwt_secret=own)) == 404
    assert await logged_in(DevserverSettings(dev_login_own_secret=True, jwt_secret=own)) == 404
    assert await logged_in(DevserverSettings(dev_login=True, dev_login_own_secret=True, jwt_secret=own)) == 200


async def test_modules_are_javascript_and_never_stale(client: httpx.AsyncClient) -> None:
    response = await client.get("/client/src/index.js")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cache-control"] == "no-cache"
    again = await client.get("/client/src/index.js", headers={"If-None-Match": response.headers["etag"]})
    assert again.status_code == 304


async def test_the_root_is_the_page(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/client/../pyproject.toml", "/client/%2e%2e/%2e%2e/pyproject.toml", "/nothing"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404
