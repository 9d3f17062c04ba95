"""Tasks that come and go, such as one for each push job; one that fails ends nothing but itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from services.notifier import metrics

log = structlog.get_logger(__name__)


class TaskSet:
    """Keeps tasks until they end. What they raise is a fault of ours: it is logged and counted, and the process lives on."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Wait for cancellation, and then cancel all tasks. Never returns otherwise."""
        try:
            await asyncio.Event().wait()
        finally:
            for task in self._tasks:
                task.cancel()

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
            log.critical("push.task_failed", task=task.get_name(), exc_info=error)
