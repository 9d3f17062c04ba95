"""Processes are found again, stopped with their children, and tied to their starter where that is wanted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tools.stack.console import Console
from tools.stack.errors import NotReady, StackError, StartFailed
from tools.stack.home import ROOT, Home
from tools.stack.process import Processes
from tools.stack.program import Program
from tools.stack.starter import Starter

SLEEPS = "import time; time.sleep(600)"
IGNORES = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
STARTER = """
import os, sys, time
from pathlib import Path
from tools.stack.home import Home
from tools.stack.process import Processes
from tools.stack.program import Program

async def probe(): ...

command = (sys.executable, "-c", "import time; time.sleep(600)")
Processes(Home(Path(sys.argv[1])), tied=True).start(Program("sleeper", command, 1, probe, dict(os.environ)))
time.sleep(600)
"""
"""A process that starts a sleeper tied to it."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def processes(home: Home) -> Processes:
    return Processes(home)


async def answers() -> None:
    """A server that is always ready."""


def python(code: str, name: str = "sleeper", **options: object) -> Program:
    """A program that runs `code`."""
    fields = {"port": 1, "probe": answers, "environment": dict(os.environ), "stop_seconds": 5.0, **options}
    return Program(name=name, command=(sys.executable, "-c", code), **fields)  # type: ignore[arg-type]


async def test_a_process_is_found_by_another_reader(home: Home, processes: Processes) -> None:
    record = processes.start(python(SLEEPS, settings={"A": "1"}))
    found = Processes(home).find("sleeper")
    assert found == record
    assert found.settings == {"A": "1"}
    await processes.stop(record)
    assert processes.find("sleeper") is None
    assert not psutil.pid_exists(record.pid)


async def test_a_later_process_with_the_same_id_is_not_taken_for_it(home: Home, processes: Processes) -> None:
    record = processes.start(python(SLEEPS))
    file = home.record("sleeper")
    file.write_text(file.read_text().replace(f'"born": {record.born}', f'"born": {record.born - 3600}'))
    assert processes.find("sleeper") is None
    await processes.stop(record)


async def test_what_was_killed_is_gone(processes: Processes) -> None:
    record = processes.start(python(SLEEPS))
    await processes.kill(record)
    assert processes.living() == []
    with pytest.raises(StackError, match="sleeper doesn't run"):
        processes.get("sleeper")


async def test_a_process_that_ignores_sigterm_is_killed_with_its_children(home: Home, processes: Processes) -> None:
    child = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', '{SLEEPS}']).pid, flush=True); {IGNORES}"
    record = processes.start(python(child, stop_seconds=0.3))
    lines = await written(home, 2)
    await processes.stop(record)
    assert not psutil.pid_exists(record.pid)
    assert not is_running(int(lines[0]))


async def test_a_program_that_ends_while_it_starts_is_named_with_its_log(home: Home, processes: Processes) -> None:
    async def never() -> None:
        raise NotReady("no")

    starter = Starter(home, processes, Console(quiet=True))
    program = python("import sys; sys.exit('the disk is full')", "broken", probe=never)
    await starter.launch(program)
    with pytest.raises(StartFailed) as caught:
        await starter.await_ready(program)
    message = str(caught.value)
    assert "broken ended while it started, with status 1" in message
    assert str(home.log("broken")) in message
    assert "the disk is full" in message


async def test_a_program_that_is_never_ready_is_named_with_the_reason(home: Home, processes: Processes) -> None:
    async def never() -> None:
        raise NotReady("the cat sleeps on the keyboard")

    starter = Starter(home, processes, Console(quiet=True))
    program = python(SLEEPS, probe=never, start_seconds=0.2)
    await starter.launch(program)
    with pytest.raises(StartFailed, match="the cat sleeps on the keyboard"):
        await starter.await_ready(program)
    await processes.stop(processes.get("sleeper"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_a_tied_process_ends_when_its_starter_is_killed(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(home.path)], cwd=ROOT) as starter:
        record = None
        while record is None:
            record = Processes(home).find("sleeper")
        starter.send_signal(signal.SIGKILL)
    psutil.wait_procs([psutil.Process(record.pid)] if psutil.pid_exists(record.pid) else [], timeout=10)
    assert not record.is_alive()


async def written(home: Home, lines: int) -> list[str]:
    """The log of the sleeper, once it has so many lines."""
    found: list[str] = []
    while len(found) < lines:
        found = home.log("sleeper").read_text().splitlines()
    return found


def is_running(pid: int) -> bool:
    """Whether a process runs: not gone, and no zombie that waits for its parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_process_that_was_stopping_is_started_again(home: Home, processes: Processes) -> None:
    dying = processes.start(python("import time; time.sleep(0.2)"))

    async def answers_second() -> None:
        record = processes.find("sleeper")
        if record is None or record.pid == dying.pid:
            raise NotReady("going down")

    await Starter(home, processes, Console(quiet=True)).await_ready(python(SLEEPS, probe=answers_second))
    await processes.stop(processes.get("sleeper"))
