"""Worker processes that inspect files: a fixed number, with limits of memory and time, and lower priority than the chat.

A file that kills its worker is refused; the next one finds a new worker (Pebble's pool does that, which the standard library's
can't). What counts against a file is the CPU time that it takes: on a busy machine a worker, which stands back for all others,
may wait long for that, and no file is refused for it.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Final, NoReturn

import structlog
from pebble import CONSTS, ProcessExpired, ProcessPool

from services.media import metrics
from services.media.inspection.inspector import Inspected, Task, inspect, warm
from services.media.inspection.refusal import Refused
from shared.protocol.errors import ErrorCode, ProtocolError

log = structlog.get_logger(__name__)

TASKS_OF_A_WORKER: Final = 200
"""A worker is replaced after this many files, which ends memory leaks of decoders."""
NICENESS: Final = 5
"""Niceness of a worker, added to that of media itself: inspections yield to transfers, and both yield to the chat."""
OPEN_FILES: Final = 64
RESULT_FACTOR: Final = 8
"""A written file may be so many times as large as the source …"""
RESULT_SPARE_BYTES: Final = 16 * 1024 * 1024
"""… and this much larger. A photo that is encoded again needs that; a film whose samples overlap could be copied to any size."""
STOP_SECONDS: Final = 5
WALL_SECONDS: Final = 90
"""How long a file may keep a worker, whatever it waits for; after that its client may try again."""
LOOK_SECONDS: Final = 0.5
"""How soon a worker that died or takes too long is noticed.

Pebble's pool has two threads that wake so often, by default ten times a second, for as long as the process lives.
"""
REST_SECONDS: Final = 2.0
"""The same while no file is under way. A stop of the pool takes so long, too."""


class Workers:
    """`count` processes of at most `max_bytes` of address space, each with `seconds` of CPU time for a file.

    `wall_seconds`: how long one file may keep a process, however little CPU time it gets.
    """

    def __init__(self, count: int, max_bytes: int, seconds: float, wall_seconds: float = WALL_SECONDS) -> None:
        self._seconds = seconds
        self._wall_seconds = wall_seconds
        self._under_way = 0
        CONSTS.sleep_unit = LOOK_SECONDS
        self._pool = ProcessPool(
            max_workers=count,
            max_tasks=TASKS_OF_A_WORKER,
            initializer=partial(_confine, max_bytes),
            context=get_context("spawn"),
        )

    async def inspect(self, task: Task) -> Inspected:
        """Look at a file in a worker. Raises Refused, or ProtocolError (unavailable) when no worker got to the end of it."""
        with metrics.INSPECTION_SECONDS.time(), self._watched():
            future = self._pool.schedule(_inspect_within, args=(self._seconds, task), timeout=self._wall_seconds)
            try:
                found: Inspected = await asyncio.wrap_future(future)
            except (TimeoutError, FutureTimeoutError):
                metrics.KILLED.labels("wall").inc()
                log.warning("inspection.over_limit", limit="wall")
                raise ProtocolError(ErrorCode.UNAVAILABLE) from None
            except ProcessExpired as error:
                if error.exitcode == -signal.SIGPROF:
                    _refuse("time", f"Looking into the file takes more than {self._seconds:g} s")
                _refuse("memory", f"Looking into the file takes too much memory (status {error.exitcode})")
            except MemoryError:
                _refuse("memory", "Looking into the file takes too much memory")
            return found

    async def warm(self) -> None:
        """Start the workers, so that the first upload needn't wait for that."""
        with self._watched():
            await asyncio.wrap_future(self._pool.schedule(warm))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Have the pool look often at its workers while the block runs."""
        self._under_way += 1
        CONSTS.sleep_unit = LOOK_SECONDS
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                CONSTS.sleep_unit = REST_SECONDS

    async def stop(self) -> None:
        """End the workers, even busy ones."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        await asyncio.to_thread(self._pool.join, STOP_SECONDS)


def _inspect_within(seconds: float, task: Task) -> Inspected:
    """Look at a file in this process, which SIGPROF ends when it has used `seconds` of CPU time (setitimer(2)).

    Programs that it starts don't inherit the timer; they have a limit of their own. They do inherit the limit of what is written.
    """
    most_bytes = RESULT_FACTOR * task.source.stat().st_size + RESULT_SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return inspect(task)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _refuse(limit: str, reason: str) -> NoReturn:
    metrics.KILLED.labels(limit).inc()
    log.warning("inspection.over_limit", limit=limit)
    raise Refused(reason) from None


def _confine(max_bytes: int) -> None:
    """Bound this process; the machine's other work goes first."""
    resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
