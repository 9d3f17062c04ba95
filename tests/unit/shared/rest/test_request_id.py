"""Every request has an id, the caller's if it is valid, or a new one; it is in the response and in each line of the log."""

from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from fastapi import FastAPI

from shared.rest.app import create_app
from shared.rest.health import Health
from shared.rest.request_id import HEADER
from tests.support.spans import kept_spans


@pytest.fixture
def app() -> FastAPI:
    app = create_app("test", Health({}), ["https://chat.example"])

    @app.get("/named")
    async def named() -> dict[str, object]:
        return dict(structlog.contextvars.get_contextvars())

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("name", ["a", "0190a1b2-0000-7000-8000-00000000c001", "Root=1-67891233-abcdef", "x" * 128])
async def test_the_callers_id_is_taken_echoed_and_logged(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get("/named", headers={HEADER: name})
    assert answer.headers[HEADER] == name
    assert answer.json()["request_id"] == name
    assert "request_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("name", ["", "x" * 129, "two words", 'quo"te', "ü", "{}"])
async def test_an_id_that_is_not_valid_is_replaced(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get("/named", headers=[(HEADER.encode(), name.encode("latin-1"))])
    assert answer.headers[HEADER] != name
    assert len(answer.headers[HEADER]) == 32


async def test_two_requests_have_two_ids(client: httpx.AsyncClient) -> None:
    names = {(await client.get("/named")).headers[HEADER] for _ in range(5)}
    assert len(names) == 5


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/broken", 500), ("/healthz", 200)])
async def test_failures_have_ids_too(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path, headers={HEADER: "mine"})
    assert (answer.status_code, answer.headers[HEADER]) == (status, "mine")


async def test_a_page_may_send_and_read_it(client: httpx.AsyncClient) -> None:
    asked = {"Origin": "https://chat.example", "Access-Control-Request-Method": "GET"}
    allowed = await client.options("/named", headers={**asked, "Access-Control-Request-Headers": HEADER})
    assert allowed.status_code == 200
    answer = await client.get("/named", headers={"Origin": "https://chat.example"})
    assert HEADER in answer.headers["access-control-expose-headers"]


async def test_a_request_is_a_span_of_the_callers_trace(client: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with kept_spans() as exporter:
        await client.get("/named", headers={HEADER: "mine", "traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        await client.get("/nowhere", headers={"traceparent": "nonsense"})
    first, second = exporter.get_finished_spans()
    assert first.name == "GET request"
    assert first.context is not None
    assert f"{first.context.trace_id:032x}" == trace
    assert dict(first.attributes or {}) == {
        "chat.request_ids": ("mine",),
        "chat.paths": ("/named",),
        "chat.statuses": ("200",),
    }
    assert second.parent is None
