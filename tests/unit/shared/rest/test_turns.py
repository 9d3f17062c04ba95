"""Requests of one token are spread over time."""

import asyncio
import time

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared.rest import turns
from shared.rest.turns import AT_ONCE, READS_AT_ONCE, WRITES_AT_ONCE, TokenTurns

CHARGE_SECONDS = 0.2
"""What a large answer costs its token."""

CLOCK_SECONDS = 0.005
"""The event loop's clock may be so coarse."""


async def large_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI entry."""
    await PlainTextResponse("x" * int(CHARGE_SECONDS * turns.BYTES_A_SECOND))(scope, receive, send)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI entry."""
    await PlainTextResponse("done")(scope, receive, send)


def client_of(app: TokenTurns, token: str | None = "one") -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers)


async def test_a_flood_is_refused_and_others_are_not() -> None:
    app = TokenTurns(answer, 1.0)
    async with client_of(app) as one, client_of(app, "other") as other, client_of(app, None) as nobody:
        calls = [asyncio.create_task(one.get("/")) for _ in range(AT_ONCE + 10)]
        assert (await other.get("/")).status_code == (await nobody.get("/")).status_code == 200
        assert not all(call.done() for call in calls)  # The others waited for none of them.
        answers = await asyncio.gather(*calls)
    refused = [each for each in answers if each.status_code == 429]
    assert len(answers) - len(refused) == AT_ONCE + 3
    assert all(each.json()["error"]["code"] == "rate_limit_exceeded" for each in refused)
    assert all(int(each.headers["Retry-After"]) >= 4 for each in refused)


async def test_large_answers_put_the_next_turns_off() -> None:
    app = TokenTurns(large_answer, 1_000.0)
    async with client_of(app) as one, client_of(app, "other") as other:
        began = time.monotonic()
        assert (await one.get("/")).status_code == 200
        first = time.monotonic()
        assert (await other.get("/")).status_code == 200
        others = time.monotonic() - first
        assert (await one.get("/")).status_code == 200
        assert time.monotonic() - began > CHARGE_SECONDS * 0.9 - others


async def test_a_burst_does_not_begin_all_at_once() -> None:
    """Whatever the method: twenty requests at the same moment would stop everything else of the process."""
    began: list[float] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        began.append(time.monotonic())
        await answer(scope, receive, send)

    app = TokenTurns(noting, 1_000.0)
    async with client_of(app) as one:
        started = time.monotonic()
        await asyncio.gather(*(one.put("/") for _ in range(AT_ONCE)))
    late = began[turns.TOKEN_STARTS_AT_ONCE :]
    assert len(late) == AT_ONCE - turns.TOKEN_STARTS_AT_ONCE
    for number, at in enumerate(late, 1):
        assert at - started > number / turns.TOKEN_STARTS_A_SECOND - CLOCK_SECONDS


async def test_only_few_reads_of_one_token_run_at_once() -> None:
    """However many are asked for at once: what their answers weigh isn't known before."""
    began: list[str] = []
    all_began, finish = asyncio.Event(), asyncio.Event()

    async def slow_answer(scope: Scope, receive: Receive, send: Send) -> None:
        began.append(scope["path"])
        if len(began) == READS_AT_ONCE + 2:
            all_began.set()
        await finish.wait()
        await large_answer(scope, receive, send)

    app = TokenTurns(slow_answer, 1_000.0)
    async with client_of(app) as one, client_of(app, "other") as other:
        mine = [asyncio.create_task(one.get("/mine")) for _ in range(READS_AT_ONCE + 1)]
        changed = asyncio.create_task(one.put("/mine, changed"))
        others = asyncio.create_task(other.get("/other's"))
        await all_began.wait()
        assert began.count("/mine") == READS_AT_ONCE
        released = time.monotonic()
        finish.set()
        for answers in (*mine, changed, others):
            assert (await answers).status_code == 200
    assert began.count("/mine") == READS_AT_ONCE + 1
    assert time.monotonic() - released > READS_AT_ONCE * CHARGE_SECONDS * 0.9


async def test_slow_writes_of_one_token_leave_places_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that works on four requests at once did nothing else while one user's four requests waited for a lock."""
    monkeypatch.setattr(turns, "MAX_WAIT_SECONDS", 0.2)
    began: list[str] = []
    finish = asyncio.Event()

    async def slow_answer(scope: Scope, receive: Receive, send: Send) -> None:
        began.append(scope["path"])
        await finish.wait()
        await answer(scope, receive, send)

    app = TokenTurns(slow_answer, 1_000.0, few_writes=True)
    async with client_of(app) as one, client_of(app, "other") as other:
        mine = [asyncio.create_task(one.delete("/mine")) for _ in range(WRITES_AT_ONCE + 2)]
        others = asyncio.create_task(other.delete("/other's"))
        answered, _ = await asyncio.wait(mine, return_when=asyncio.FIRST_COMPLETED)
        refused = answered.pop().result()
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert sorted(began) == ["/mine"] * WRITES_AT_ONCE + ["/other's"]
        finish.set()
        assert (await others).status_code == 200
        assert sorted([(await each).status_code for each in mine])[0] == 200
        assert (await one.put("/mine")).status_code == 200


async def test_reads_of_one_token_do_not_pile_up_while_answers_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_UNDER_WAY", 5)
    finish = asyncio.Event()

    async def slow_answer(scope: Scope, receive: Receive, send: Send) -> None:
        await finish.wait()
        await answer(scope, receive, send)

    app = TokenTurns(slow_answer, 1_000.0, 1_000.0)
    async with client_of(app) as one:
        reads = [asyncio.create_task(one.get("/")) for _ in range(8)]
        async with asyncio.timeout(30):
            while sum(each.done() for each in reads) < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        finish.set()
        statuses = [(await each).status_code for each in reads]
    assert sorted(statuses) == [200] * 5 + [429] * 3
