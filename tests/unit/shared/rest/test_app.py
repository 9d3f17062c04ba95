"""What every service's REST interface does with requests that go wrong before they reach a handler."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from structlog.testing import capture_logs

from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import Health, add_router, create_app
from shared.rest.errors import error_response
from shared.settings import ServiceSettings


class Text(BaseModel):
    text: str


@asynccontextmanager
async def client_of(allowed_origins: list[str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app with `POST /texts`, and `GET /bug`, which fails."""
    app, router = create_app("test", Health({}), allowed_origins or []), APIRouter()

    @router.post("/texts")
    async def store(body: Text) -> int:
        return len(body.text)

    @router.patch("/texts")
    async def change(body: Text) -> int:
        return len(body.text)

    @router.get("/bug")
    async def fail() -> None:
        raise RuntimeError("a bug")

    add_router(app, router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def streamed(size: int) -> AsyncIterator[bytes]:
    """A JSON body whose length is announced nowhere."""
    yield b'{"text":"'
    for _ in range(size // 1024):
        yield b"x" * 1024
    yield b'"}'


def assert_invalid(response: httpx.Response, status: int) -> None:
    body: Any = response.json()
    assert (response.status_code, body["type"], body["error"]["code"]) == (status, "error", "validation_error")


async def test_a_body_over_the_limit_is_413_announced_or_streamed() -> None:
    json = {"Content-Type": "application/json"}
    async with client_of() as client:
        assert (await client.post("/texts", content=streamed(32 * 1024), headers=json)).json() == 32 * 1024
        for body in (streamed(limits.MAX_REQUEST_BODY_BYTES), b"x" * (limits.MAX_REQUEST_BODY_BYTES + 1)):
            assert_invalid(await client.post("/texts", content=body, headers=json), 413)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 20_000, b"[]", b'{"text":5}', b"text=5"])
async def test_a_body_that_is_not_what_it_should_be_is_422(body: bytes) -> None:
    async with client_of() as client:
        assert_invalid(await client.post("/texts", content=body, headers={"Content-Type": "application/json"}), 422)


@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        (
            "application/json",
            b'{"text": 5, }',
            "body: it is not JSON: Expecting property name enclosed in double quotes at",
        ),
        ("application/json", b"\xff", "body: it is not JSON in UTF-8"),
        ("application/json", b"[" * 20_000, "nested too deeply"),
        ("application/json", b"", "body: this request needs a JSON body"),
        ("text/plain", b'{"text":"x"}', "Content-Type: application/json"),
        (None, b'{"text":"x"}', "Content-Type: application/json"),
        ("application/json", b"[]", "body: Input should be a valid dictionary"),
    ],
)
async def test_a_bad_body_is_answered_with_what_to_do(content_type: str | None, body: bytes, says: str) -> None:
    async with client_of() as client:
        headers = {} if content_type is None else {"Content-Type": content_type}
        response = await client.post("/texts", content=body, headers=headers)
    assert_invalid(response, 422)
    assert says in response.json()["error"]["message"]


async def test_a_wrong_method_is_answered_with_all_methods_of_the_path() -> None:
    async with client_of() as client:
        refused = await client.delete("/texts")
        assert_invalid(refused, 405)
        assert refused.headers["allow"] == "POST, PATCH"
        assert (await client.delete("/bug")).headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        ("https://a.example/", "https://a.example", "https://a.example"),
        ("https://A.example", "https://a.example", "https://a.example"),
        ("https://a.example", "https://b.example", None),
        ("", "https://b.example", "*"),
        ("https://a.example,*", "https://b.example", "*"),
    ],
)
async def test_pages_of_listed_origins_may_call(listed: str, origin: str, allowed: str | None) -> None:
    settings = ServiceSettings(
        database_url="postgresql://x",
        amqp_url="amqp://x",
        redis_urls="redis://x",
        jwt_secret="x" * 32,
        allowed_origins=listed,
    )
    async with client_of(settings.allowed_origins) as client:
        response = await client.get("/healthz", headers={"Origin": origin})
    assert response.headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize(
    ("listed", "origin", "status"),
    [
        (["https://a.example"], "https://a.example", 200),
        (["https://a.example"], "https://A.example", 200),
        (["https://a.example"], None, 200),
        (["https://a.example"], "https://b.example", 403),
        (["https://a.example"], "null", 403),
        ([], "https://b.example", 200),
    ],
)
async def test_pages_of_other_origins_may_not(listed: list[str], origin: str | None, status: int) -> None:
    headers = {} if origin is None else {"Origin": origin}
    preflight = {**headers, "Access-Control-Request-Method": "POST"}
    async with client_of(listed) as client:
        response = await client.post("/texts", json={"text": "x"}, headers=headers)
        asked = await client.options("/texts", headers=preflight)
    assert response.status_code == status
    if status == 403:
        assert response.json() == asked.json() == ProtocolError(ErrorCode.FORBIDDEN).builtins()
        assert asked.status_code == 403
        # The page learns that it is refused, and nothing else.
        assert response.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize(("listed", "allowed"), [([], "*"), (["https://a.example"], "https://a.example")])
async def test_a_page_can_read_a_bug_of_ours(listed: list[str], allowed: str) -> None:
    with capture_logs() as logs:
        async with client_of(listed) as client:
            response = await client.get("/bug", headers={"Origin": "https://a.example"})
    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == allowed
    (failure,) = logs
    message = f"Internal error {failure['error_id']}"
    assert response.json() == ProtocolError(ErrorCode.INTERNAL_ERROR, message).builtins()


@pytest.mark.parametrize(("seconds", "header"), [(0.001, "1"), (1.0, "1"), (1.2, "2"), (5.0, "5"), (None, "1")])
def test_retry_after_is_never_too_early(seconds: float | None, header: str) -> None:
    response = error_response(ProtocolError(ErrorCode.UNAVAILABLE, retry_after=seconds))
    assert response.headers["Retry-After"] == header
