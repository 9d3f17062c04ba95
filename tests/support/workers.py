"""How the processes of a parallel run (`pytest -n 3`, by pytest-xdist) share the tests and the machine.

Each has servers and ports of its own. Tests that share what takes long to start go to one process.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tools.stack.ports import HIGHEST, LOWEST

SYSTEMS = ("tests/e2e/", "tests/clusters/", "tests/faults/", "tests/packages/")
"""Folders whose tests share a system: each goes to one process, and before all else, since none takes longer."""
LONG_FIRST = (
    *SYSTEMS,
    "tests/integration/stack/",
    "tests/integration/",
    "tests/unit/docs/",
    "tests/unit/chat_client/",
    "tests/unit/shared/",
    "tests/",
)
"""What takes long begins early: short modules then fill the gaps at the end."""


class BySystem(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """Gives a process whole modules, and whole folders of those in `SYSTEMS`, in the order in which they are collected."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    """The tests that must run in the same process as this one: a folder, or a module."""
    return next((folder for folder in SYSTEMS if nodeid.startswith(folder)), nodeid.partition("::")[0])


def rank_of(nodeid: str) -> int:
    """Smaller for tests that should begin earlier."""
    return next((rank for rank, start in enumerate(LONG_FIRST) if nodeid.startswith(start)), len(LONG_FIRST))


def ports_of(number: int, count: int) -> str:
    """The range of ports of process `number` (from 0) of `count`, as `STACK_PORTS` takes it."""
    width = (HIGHEST - LOWEST + 1) // count
    lowest = LOWEST + number * width
    return f"{lowest}-{lowest + width - 1}"
