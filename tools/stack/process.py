"""Processes that continue after their starter: they are found again by id and start time, and stopped with their children."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any, Protocol

import psutil

from tools.stack.errors import StackError
from tools.stack.home import Home, read_json, write_private
from tools.stack.program import Program

POLL_SECONDS = 0.03
BIRTH_TOLERANCE_SECONDS = 5
"""psutil computes a start time from the boot time, which changes when the clock is set."""
LOG_LIMIT_BYTES = 5_000_000


@dataclass(frozen=True)
class Record:
    """The record of a started process, with which it can be stopped later."""

    name: str
    pid: int
    port: int
    born: float
    settings: dict[str, str]
    layer: int
    stop_signal: int
    stop_seconds: float

    def is_alive(self) -> bool:
        """Return whether exactly this process runs: not a later one with the same id, and not a zombie."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and self._is_birth(process.create_time())
        except psutil.Error:
            return False

    def _is_birth(self, instant: float) -> bool:
        return abs(instant - self.born) < BIRTH_TOLERANCE_SECONDS


class Child(Protocol):
    """A process that was started here."""

    @property
    def pid(self) -> int:
        """Its id."""

    def poll(self) -> int | None:
        """Return its exit status, minus the signal that ended it, or None while it runs."""


Launch = Callable[[Program, Sequence[str], IO[bytes]], Child]
"""Starts a program by a command, which is its own behind `setpriv`, in a session of its own, with a file for its output."""


def popen(program: Program, command: Sequence[str], output: IO[bytes]) -> Child:
    """The usual `Launch`."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=program.directory,
        env=dict(program.environment),
        start_new_session=True,
    )


class Processes:
    """The processes of one stack, recorded in its home. `tied` ones end when this process does, however it ends."""

    def __init__(self, home: Home, *, tied: bool = False, launch: Launch = popen) -> None:
        self._home = home
        self._tied = tied
        self._launch = launch
        self._children: dict[int, Child] = {}

    def start(self, program: Program) -> Record:
        """Start a program, and record it. Must run in the main thread, because tied processes end with that thread."""
        log = self._home.log(program.name)
        _rotate(log)
        with log.open("ab") as output:
            child = self._launch(program, [*self._prefix(program), *program.command], output)
        self._children[child.pid] = child
        record = Record(
            name=program.name,
            pid=child.pid,
            port=program.port,
            born=psutil.Process(child.pid).create_time(),
            settings=dict(program.settings),
            layer=int(program.layer),
            stop_signal=int(program.stop_signal),
            stop_seconds=program.stop_seconds,
        )
        write_private(self._home.record(program.name), json.dumps(asdict(record)))
        return record

    async def run(self, program: Program, seconds: float) -> tuple[int, str]:
        """Run a program to its end. Returns its exit status and its output. Raises TimeoutError when it needs too long."""
        log = self._home.log(program.name)
        with log.open("wb") as output:
            child = self._launch(program, program.command, output)
        if not await _until(lambda: child.poll() is not None, seconds):
            raise TimeoutError(f"{program.name} didn't end within {seconds:.0f} s")
        return child.poll() or 0, log.read_text(encoding="utf-8", errors="replace")

    def find(self, name: str) -> Record | None:
        """The living process of this name."""
        stored: dict[str, Any] | None = read_json(self._home.record(name))
        if stored is None:
            return None
        record = Record(**stored)
        self.exit_status(record)  # Reaps it, if it was our child and has ended.
        return record if record.is_alive() else None

    def get(self, name: str) -> Record:
        """Return the running process of this name. Raises StackError when there is none."""
        record = self.find(name)
        if record is None:
            raise StackError(f"{name} doesn't run")
        return record

    def living(self) -> list[Record]:
        """Return all running processes by name."""
        found = (self.find(file.stem) for file in sorted(self._home.records.glob("*.json")))
        return [record for record in found if record is not None]

    def exit_status(self, record: Record) -> int | None:
        """Return the exit status of a child of this process; None while it runs, or when it is no child."""
        child = self._children.get(record.pid)
        return None if child is None else child.poll()

    async def stop(self, record: Record) -> None:
        """Terminate a process, wait, and kill it and its group when it doesn't end."""
        _signal(os.kill, record.pid, record.stop_signal)
        if not await self._ended(record, record.stop_seconds):
            _signal(os.kill, record.pid, signal.SIGKILL)
            await self._ended(record, record.stop_seconds)
        await self._end_group(record)
        self._home.record(record.name).unlink(missing_ok=True)

    async def kill(self, record: Record) -> None:
        """Kill a process, as a crash would, and wait until it has ended."""
        _signal(os.kill, record.pid, signal.SIGKILL)
        await self._ended(record, record.stop_seconds)

    async def _end_group(self, record: Record) -> None:
        """Kill the rest of its process group, and wait until it has ended."""
        await _until(lambda: not _signal(os.killpg, record.pid, signal.SIGKILL), record.stop_seconds)

    async def _ended(self, record: Record, seconds: float) -> bool:
        return await _until(lambda: self._is_over(record), seconds)

    def _is_over(self, record: Record) -> bool:
        """Return whether a process has ended. A child has when it is reaped; it may look dead before, while its threads end."""
        if record.pid in self._children:
            return self.exit_status(record) is not None
        return not record.is_alive()

    def _prefix(self, program: Program) -> list[str]:
        """`setpriv` changes the user and ties the process, then becomes the program: its id is the program's."""
        options: list[str] = []
        if program.user is not None:
            options += ["--reuid", program.user, "--regid", program.user, "--init-groups"]
        if self._tied:
            options += ["--pdeathsig", program.stop_signal.name.removeprefix("SIG")]
        setpriv = shutil.which("setpriv")
        if setpriv is None or not options:
            return []
        return [setpriv, *options, "--"]


def allow_many_files() -> None:
    """Let this process and its children open as many files as thousands of connections need, within the hard limit."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until `condition` holds, and say whether it does."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def _signal(send: Callable[[int, int], None], target: int, signum: int) -> bool:
    """Send a signal to a process that may have ended. Returns whether it existed."""
    try:
        send(target, signum)
    except ProcessLookupError:
        return False
    return True


def _rotate(log: Any) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
