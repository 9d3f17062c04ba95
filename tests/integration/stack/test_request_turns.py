"""Requests that arrive at the same moment, on connections of their own, begin one after the other."""

import asyncio
import time
from collections.abc import Hashable

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.pace import Pace
from shared.rest import HttpProtocol
from tests.support.rest_server import rest_server

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CROWD = 24
AT_ONCE = 4
A_SECOND = 100
CLOCK_SECONDS = 0.005
"""The event loop's clock may be so coarse."""


class Noting:
    """An app that notes when its requests begin."""

    def __init__(self) -> None:
        self.began: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        self.began.append(time.monotonic())
        await PlainTextResponse("done")(scope, receive, send)


async def answer_of(port: int) -> bytes:
    """The whole answer to a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    try:
        return await reader.read()
    finally:
        writer.close()


class CountingPace(Pace):
    """`asked`: how many turns were asked for."""

    asked = 0

    def wait(self, caller: Hashable, now: float) -> float:
        """Count, and take a turn."""
        self.asked += 1
        return super().wait(caller, now)


def set_turns(monkeypatch: pytest.MonkeyPatch, a_second: float, at_once: int, max_seconds: float) -> CountingPace:
    pace = CountingPace(a_second, at_once, max_seconds)
    monkeypatch.setattr(HttpProtocol, "_turns", pace)
    return pace


async def test_a_crowd_begins_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    set_turns(monkeypatch, A_SECOND, AT_ONCE, 60)
    app = Noting()
    async with rest_server(app) as port:
        started = time.monotonic()
        answers = await asyncio.gather(*(answer_of(port) for _ in range(CROWD)))
    assert all(answer.endswith(b"done") for answer in answers)
    for number, at in enumerate(app.began[AT_ONCE:], 1):
        assert at - started > number / A_SECOND - CLOCK_SECONDS


async def test_nobody_waits_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    set_turns(monkeypatch, 1 / 3600, 1, 1)
    async with rest_server(Noting()) as port:
        assert all(answer.endswith(b"done") for answer in await asyncio.gather(*(answer_of(port) for _ in range(3))))


async def test_a_request_that_waits_is_answered_when_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = set_turns(monkeypatch, 1 / 3600, 1, 7200)
    app = Noting()
    async with rest_server(app) as port:
        assert (await answer_of(port)).endswith(b"done")
        waiting = asyncio.create_task(answer_of(port))
        while turns.asked < 2:  # noqa: ASYNC110 - a pace has no event
            await asyncio.sleep(0.01)
        assert len(app.began) == 1
    assert (await waiting).endswith(b"done")
