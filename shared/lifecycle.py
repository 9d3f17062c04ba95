"""The life of a process: background tasks under one supervisor, an HTTP server, and an orderly stop.

The first task that fails stops the process, with an error in the log: a replica that works partly is worse than one that is
restarted.
"""

import asyncio
import gc
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from email.utils import formatdate
from typing import Any, Final

import structlog
import uvicorn
import uvloop
from uvicorn.server import ServerState

log = structlog.get_logger(__name__)

CANCEL_AGAIN_SECONDS: Final = 1.0
END_SECONDS: Final = 15.0
"""How long cancelled tasks may take to end. Orchestrators kill a process some time after they asked it to stop."""
GARBAGE_OBJECTS: Final = 20_000
"""New container objects after which the youngest generation is collected (Python's `gc.set_threshold`)."""
MOST_FILES: Final = 1 << 20
"""Highest soft limit that is set. Some containers have a much higher hard limit, which no process here needs."""


class Supervisor:
    """Owns every background task of a process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self.failed = asyncio.Event()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` until `stop`. If it raises, `failed` is set."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    async def stop(self) -> None:
        """Cancel all tasks, and wait for their end (`end_all`)."""
        self._stopping = True
        await end_all(self._tasks)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() and self._stopping:
            return
        # Only `stop` cancels tasks. Otherwise a library has, and the task's work has ended for good.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            log.critical("task.failed", task=task.get_name(), exc_info=error)
            self.failed.set()


async def end_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait for their end. When this is cancelled meanwhile, it raises CancelledError after their end.

    It cancels again every second: a task may start another one of the collection, and a library may swallow a cancellation.
    A task that goes on for `END_SECONDS` is logged and left.
    """
    cancelled: asyncio.CancelledError | None = None
    give_up_at = time.monotonic() + END_SECONDS
    while running := [task for task in tasks if not task.done()]:
        if time.monotonic() >= give_up_at:
            log.error("tasks.not_ended", tasks=[task.get_name() for task in running])
            break
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


class DatedState(ServerState):
    """What uvicorn's connections share, with a `Date` header (RFC 9110, section 6.6.1) that is made when a response needs it.

    uvicorn renews the header every second, whether anybody asks for it or not. `clock`: Unix seconds.
    """

    def __init__(self, config: uvicorn.Config, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._second = -1
        self._headers: list[tuple[bytes, bytes]] = []
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every response."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            date = [(b"date", formatdate(second, usegmt=True).encode())] if self._config.date_header else []
            self._headers = [*date, *self._config.encoded_headers]
        return self._headers

    @default_headers.setter
    def default_headers(self, _headers: list[tuple[bytes, bytes]]) -> None:
        """Keep none: uvicorn sets those that it makes itself."""


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: `serve_until` decides when it stops.

    uvicorn itself would poll ten times a second, which is most of an idle process' CPU time.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = DatedState(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin to shut down."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Wait until `stop`."""
        await self._stopping.wait()

    def install_signal_handlers(self) -> None:
        """Leave signals to `serve_until`."""

    def capture_signals(self) -> Any:
        """Leave signals to `serve_until`."""
        import contextlib

        return contextlib.nullcontext()


async def serve_until(
    config: uvicorn.Config,
    supervisor: Supervisor,
    before_stop: Callable[[], Awaitable[None]] | None = None,
    sockets: list[socket.socket] | None = None,
) -> int:
    """Serve HTTP until SIGTERM, SIGINT or a failed task; then run `before_stop` (a drain), and then stop the server.

    `sockets` are listening sockets; without them the server binds to the host and port of `config`.

    Returns the exit status: 0 after a signal, 1 when a task failed or the server couldn't start.
    """
    server = Server(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    serving = asyncio.create_task(_serve(server, sockets), name="http")
    waits = [asyncio.create_task(event.wait()) for event in (stop, supervisor.failed)]
    await asyncio.wait([serving, *waits], return_when=asyncio.FIRST_COMPLETED)
    log.info("process.stopping", reason="signal" if stop.is_set() else "failure")
    if before_stop is not None and stop.is_set():
        await before_stop()
    server.stop()
    await serving
    for wait in waits:
        wait.cancel()
    return 0 if stop.is_set() and not supervisor.failed.is_set() else 1


async def _serve(server: Server, sockets: list[socket.socket] | None) -> None:
    try:
        await server.serve(sockets)
    except SystemExit:
        # uvicorn exits by itself when it can't bind, and has logged why.
        log.critical("http.not_started")


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """Run the main coroutine of a process on uvloop, and exit with its status."""
    allow_many_files()
    collect_garbage_seldom()
    raise SystemExit(uvloop.run(main()))


def collect_garbage_seldom() -> None:
    """Exclude imported modules from garbage collection, and collect the rest less often.

    Reference counting frees nearly everything here, so the collector finds little. With the default of 700 objects it would walk
    through all connections and batches very often.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, 20, 20)


def allow_many_files() -> None:
    """Raise the soft limit of open files (1,024 under systemd and containerd) to the hard one: each connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST_FILES)), hard))
