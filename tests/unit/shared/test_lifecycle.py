"""The supervisor: the first failure is seen, and a stop ends everything."""

import asyncio
from contextlib import suppress

import pytest
import uvicorn

from shared import lifecycle
from shared.lifecycle import DatedState, Supervisor


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr(lifecycle, "CANCEL_AGAIN_SECONDS", 0.01)
    return Supervisor()


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_first_failure_is_seen(supervisor: Supervisor) -> None:
    async def fail() -> None:
        raise LookupError("no")

    supervisor.start("works", forever())
    supervisor.start("fails", fail())
    async with asyncio.timeout(30):
        await supervisor.failed.wait()
    await supervisor.stop()


async def test_a_stop_ends_a_task_that_swallows_a_cancellation(supervisor: Supervisor) -> None:
    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await forever()

    supervisor.start("stubborn", stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await supervisor.stop()
    assert not supervisor.failed.is_set()


async def test_a_stop_ends_a_task_that_was_started_meanwhile(supervisor: Supervisor) -> None:
    async def heir() -> None:
        try:
            await forever()
        finally:
            supervisor.start("heir", forever())

    supervisor.start("first", heir())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await supervisor.stop()
    assert not supervisor.failed.is_set()


def test_the_date_is_that_of_the_response_and_not_of_the_last_beat() -> None:
    now = 0.0
    state = DatedState(uvicorn.Config("", headers=[("X-Served-By", "me")]), lambda: now)
    state._config.encoded_headers = [(b"x-served-by", b"me")]
    assert state.default_headers == [(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"x-served-by", b"me")]
    now = 0.9
    assert state.default_headers[0] == (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")
    now = 61.0
    assert state.default_headers[0] == (b"date", b"Thu, 01 Jan 1970 00:01:01 GMT")


async def test_a_task_that_somebody_else_cancelled_is_a_failure(supervisor: Supervisor) -> None:
    """A library may raise CancelledError of its own: the task's work would have ended without anybody's notice."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    supervisor.start("cancelled", cancelled())
    async with asyncio.timeout(30):
        await supervisor.failed.wait()


async def test_a_stop_that_is_cancelled_ends_all_tasks_and_is_cancelled(supervisor: Supervisor) -> None:
    may_end = asyncio.Event()

    async def slow() -> None:
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    supervisor.start("slow", slow())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.sleep(0.02)
    assert not stopping.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert not supervisor._tasks


async def test_a_stop_does_not_wait_for_ever(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "END_SECONDS", 0.05)
    may_end = False

    async def stubborn() -> None:
        while not may_end:
            with suppress(asyncio.CancelledError):
                await forever()

    supervisor.start("stubborn", stubborn())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await supervisor.stop()
    may_end = True
    await supervisor.stop()
