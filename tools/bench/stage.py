"""Progress on the terminal while the benchmark runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

TICK_SECONDS = 0.25


class Stages:
    """Shows a progress bar for the current stage. Use it as a context manager."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description:<48}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, refresh_per_second=4)

    def __enter__(self) -> "Stages":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @asynccontextmanager
    async def timed(self, what: str, seconds: float) -> AsyncIterator[None]:
        """Show a stage of known length."""
        task = self._progress.add_task(what, total=seconds, note=f"{seconds:.0f} s")
        ticking = asyncio.create_task(self._tick(task))
        try:
            yield
        finally:
            ticking.cancel()
            self._progress.remove_task(task)

    @asynccontextmanager
    async def counted(self, what: str, total: int) -> AsyncIterator["Count"]:
        """Show a stage of `total` steps."""
        task = self._progress.add_task(what, total=total, note=f"0 / {total}")
        try:
            yield Count(self._progress, task, total)
        finally:
            self._progress.remove_task(task)

    async def _tick(self, task: TaskID) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._progress.advance(task, TICK_SECONDS)


class Count:
    """Steps done so far."""

    def __init__(self, progress: Progress, task: TaskID, total: int) -> None:
        self._progress = progress
        self._task = task
        self._total = total
        self._done = 0

    def add(self, steps: int = 1) -> None:
        """Count steps."""
        self._done += steps
        self._progress.update(self._task, completed=self._done, note=f"{self._done} / {self._total}")
