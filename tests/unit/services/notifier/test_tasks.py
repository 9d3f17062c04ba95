"""Push tasks end before what they use is closed."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from services.notifier.tasks import TaskSet
from shared import lifecycle
from shared.lifecycle import Supervisor


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr(lifecycle, "CANCEL_AGAIN_SECONDS", 0.01)
    return Supervisor()


async def stop_with(supervisor: Supervisor, work: Coroutine[Any, Any, None]) -> None:
    """Stop while a push task that has begun does `work`."""
    tasks = TaskSet()
    supervisor.start("tasks", tasks.run())
    tasks.start("push", work)
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await supervisor.stop()


async def test_a_stop_waits_for_a_task_that_tidies_up(supervisor: Supervisor) -> None:
    tidied = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            tidied.append(True)

    await stop_with(supervisor, work())
    assert tidied


async def test_a_stop_ends_a_task_that_swallows_a_cancellation(supervisor: Supervisor) -> None:
    ended = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

    await stop_with(supervisor, stubborn())
    assert ended
