"""Starts the project's own programs as forks of a process that has imported them: a tenth of the CPU time of `python -m`.

What such a process does is the same, from its first line to its exit status; `tests/unit/support/test_forks.py` compares.
A program of another interpreter, or with other settings of the interpreter itself, is started as usual.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Final, Self

from tests.support.fork_server import IGNORED
from tools.stack.home import ROOT
from tools.stack.process import Child, popen
from tools.stack.program import Program

FIRST: Final = ("shared.service", "shared.rabbitmq", "shared.directory", "pydantic.v1", "uvicorn.lifespan.off")
"""What all services import, with the libraries behind it; FastAPI and uvicorn import the last two when they are used."""
SECOND: Final[Mapping[str, Sequence[str]]] = {
    **{
        f"services.{name}": (f"services.{name}.app",)
        for name in ("admin", "gateway", "media", "messaging", "notifier", "presence", "webhooks")
    },
    "migrations": ("alembic.command", "sqlalchemy.ext.asyncio", "shared.postgres"),
    "tools.chatctl": ("tools.chatctl.app", "tools.doctor"),
    "tools.devserver": ("tools.devtoken",),
}
"""Program → what is imported before its forks: never the program's own `__main__`.

Each has a process of its own for that, since metrics are registered on import, and no service must show those of another.
"""
INTERPRETER: Final = ("PYTHON", "LD_", "OTEL_", "STACK_HOME")
"""Variables that begin so may be read at the start of the interpreter, or on import."""
START_SECONDS: Final = 120
STDOUT: Final = 1
STDERR: Final = 2


class Fork:
    """A running program, with the methods of `subprocess.Popen` that tests need."""

    def __init__(self, pid: int, told: socket.socket) -> None:
        self.pid = pid
        self._told = told
        self._status: int | None = None
        told.setblocking(False)

    def __del__(self) -> None:
        """Close the socket of a program whose end nobody asked about."""
        self._told.close()

    @property
    def returncode(self) -> int | None:
        """The exit status, minus the signal that ended it, or None while it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """The same as `returncode`."""
        if self._status is None:
            try:
                self._on_told(self._told.recv(16))
            except BlockingIOError:
                return None
        return self._status

    async def wait(self) -> int:
        """Wait until it has ended, and return `returncode`."""
        while (status := self.poll()) is None:  # noqa: ASYNC110 - several may wait, and a socket has one reader
            await asyncio.sleep(0.01)
        return status

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            # It may have ended since, and its status be on the way.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _on_told(self, status: bytes) -> None:
        # The server says nothing when it ends itself; its forks get SIGTERM then.
        self._status = int(status) if status else -signal.SIGTERM
        self._told.close()


class PipedFork(Fork):
    """One whose output is read here."""

    def __init__(
        self, pid: int, told: socket.socket, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader
    ) -> None:
        super().__init__(pid, told)
        self.stdout = stdout
        self.stderr = stderr

    @classmethod
    async def started(cls, module: str, environment: Mapping[str, str], *arguments: str) -> Self:
        """Start a program, as `Forks.start` does."""
        (out, stdout), (err, stderr) = await _pipe(), await _pipe()
        try:
            return cls(*FORKS.ask(module, environment, arguments, stdout, stderr), out, err)
        finally:
            os.close(stdout)
            os.close(stderr)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait until it has ended, and return what it wrote to standard output and standard error."""
        written = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return written[0], written[1]


class Forks:
    """The server of this process, which is started when the first program is."""

    def __init__(self) -> None:
        self._requests: dict[str, socket.socket] = {}
        self._server: subprocess.Popen[bytes] | None = None

    def start(
        self,
        module: str,
        environment: Mapping[str, str],
        *arguments: str,
        output: int = STDOUT,
        errors: int = STDERR,
    ) -> Fork:
        """Start a program of `SECOND` in a session of its own, with open files for what it writes.

        Blocks until it has started, which takes up to a second for the first one. Raises ValueError for settings of the
        interpreter, which a fork would not see.
        """
        return Fork(*self.ask(module, environment, arguments, output, errors))

    def ask(
        self, module: str, environment: Mapping[str, str], arguments: Sequence[str], *files: int
    ) -> tuple[int, socket.socket]:
        """Start a program, and return what a `Fork` is made of: its process id, and the socket that tells its exit status."""
        if _of_interpreter(environment) != _of_interpreter(os.environ):
            raise ValueError(f"a fork of {module} can't have other settings of the interpreter")
        return _ask(
            self._of(module), {"module": module, "arguments": arguments, "environment": dict(environment)}, *files
        )

    def stop(self) -> None:
        """End the server; programs that still run get SIGTERM."""
        for requests in self._requests.values():
            requests.close()
        self._requests.clear()
        if self._server is not None:
            self._server.wait()
            self._server = None

    def _of(self, module: str) -> socket.socket:
        """Return the socket of the fork that has imported a program."""
        if module not in self._requests:
            ours, theirs = _pair()
            with theirs:
                _ask(self._of_first(), {"import": SECOND[module]}, theirs.fileno())[1].close()
            self._requests[module] = ours
        return self._requests[module]

    def _of_first(self) -> socket.socket:
        if self._server is None:
            ours, theirs = _pair()
            with theirs:
                file = theirs.fileno()
                self._server = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.fork_server", str(file), *FIRST],
                    cwd=ROOT,
                    pass_fds=[file],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            self._requests[""] = ours
        return self._requests[""]


FORKS: Final = Forks()


def can_fork(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether a fork would do the same as the command: a program of `SECOND`, with this process' interpreter."""
    if tuple(command[:2]) != (sys.executable, "-m") or command[2] not in SECOND:
        return False
    return _of_interpreter(environment) == _of_interpreter(os.environ)


def launch(program: Program, command: Sequence[str], output: IO[bytes]) -> Child:
    """Start a program of a stack, as a fork where that does the same (`tools.stack.process.Launch`)."""
    if program.directory != ROOT or not can_fork(program.command, program.environment):
        return popen(program, command, output)
    file = output.fileno()
    return FORKS.start(program.command[2], program.environment, *program.command[3:], output=file, errors=file)


def _of_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(INTERPRETER) and name not in IGNORED}


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    """Return the end of a new pipe that is read here, which is closed when the last writer ends, and the file to write to."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    return reader, writing


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _ask(requests: socket.socket, request: Mapping[str, object], *files: int) -> tuple[int, socket.socket]:
    """Send a request with files. Returns the fork's process id, and the socket that tells its exit status."""
    told, theirs = _pair()
    with theirs:
        socket.send_fds(requests, [json.dumps(request).encode()], [*files, theirs.fileno()])
    told.settimeout(START_SECONDS)
    if not (pid := told.recv(16)):
        raise RuntimeError(f"the server of forks has ended: it couldn't serve {request}")
    return int(pid), told
