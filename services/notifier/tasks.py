"""Short-lived tasks, such as one for each push job. A task that fails doesn't affect others."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from services.notifier import metrics
from shared.lifecycle import end_all

log = structlog.get_logger(__name__)


class TaskSet:
    """Keeps tasks until they end.

    An exception of a task is an error of ours: it is logged and counted, and the process goes on.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Wait for cancellation, then cancel all tasks, and wait for their end. Never returns otherwise.

        What they use is closed after that.
        """
        try:
            await asyncio.Event().wait()
        finally:
            await end_all(self._tasks)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            metrics.FAULTS.inc()
            log.error("push_task.failed", task=task.get_name(), exc_info=error)
