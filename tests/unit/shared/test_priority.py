"""The priority of a process, checked in a separate one, because a lowered priority can't be raised again."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.priority import SLICE_NANOSECONDS

AUTOGROUP = Path("/proc/self/autogroup")
SCHEDULED = Path("/proc/self/sched")
SHOW_SLICE = """
import subprocess, sys
from shared.priority import lengthen_slice, stand_back
{work}
show = "import pathlib; print(pathlib.Path('/proc/self/sched').read_text())"
shown = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout
print(*(line.split(":")[1].strip() for line in shown.splitlines() if line.startswith("se.slice")))
"""
SHOW = """
import os, pathlib, subprocess, sys
from shared.priority import stand_back
stand_back({niceness})
child = subprocess.run([sys.executable, "-c", "import os; print(os.nice(0))"], capture_output=True, text=True, check=True)
file = pathlib.Path("/proc/self/autogroup")
session = file.read_text().split() if file.exists() else []
print(os.nice(0), child.stdout.strip(), session[-1] if session else "-")
"""


def shown(niceness: int, *, leads: bool) -> list[str]:
    """Nice value, that of a child, and that of the session: "-" where it has none, as what the first process starts."""
    command = [sys.executable, "-c", SHOW.format(niceness=niceness)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=leads)
    return done.stdout.split()


@pytest.fixture
def ours() -> tuple[str, str]:
    """The present values: of this process and of a new session."""
    process, _, session = shown(0, leads=True)
    return process, session


def test_a_process_and_what_it_starts_stand_back(ours: tuple[str, str]) -> None:
    process, _ = ours
    more = str(min(19, int(process) + 7))
    assert shown(7, leads=True)[:2] == [more, more]


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="needs Linux with autogroups")
def test_a_leader_takes_its_session_along_and_nobody_else_does(ours: tuple[str, str]) -> None:
    assert shown(7, leads=True)[2] == "7"
    assert shown(7, leads=False)[2] == shown(0, leads=False)[2]
    assert shown(0, leads=True)[2] == ours[1]


def shown_slice(work: str) -> int:
    """Nanoseconds of a turn of what a process starts after `work`; 0 where the system doesn't say."""
    command = [sys.executable, "-c", SHOW_SLICE.format(work=work)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout or "0")


@pytest.mark.skipif(not SCHEDULED.exists(), reason="needs Linux that says how it schedules")
def test_what_stands_back_has_long_turns_that_others_may_end() -> None:
    if shown_slice("lengthen_slice() or sys.exit()") != SLICE_NANOSECONDS:
        pytest.skip("needs Linux 6.12, where a process may ask for a slice, and leave to do so")
    assert shown_slice("stand_back(0)") < SLICE_NANOSECONDS
    assert shown_slice("stand_back(5)") == SLICE_NANOSECONDS
