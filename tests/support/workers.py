"""How the processes of a parallel run (`pytest -n 3`, by pytest-xdist) share the tests and the machine.

Each has servers and ports of its own. Tests that share what takes long to start go to one process.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tools.stack.ports import HIGHEST, LOWEST

END_TO_END = "tests/e2e/"
HALVES_MEET_AT = f"{END_TO_END}test_m"
"""The end-to-end tests take longest by far: those of modules before this name, and the others, each have a system."""
PACKAGES = "tests/packages/"
"""They share the packages that they build: one process."""
LONG_FIRST = (
    END_TO_END,
    "tests/clusters/",
    "tests/faults/",
    PACKAGES,
    "tests/integration/stack/",
    "tests/integration/",
    "tests/unit/lint/",
    "tests/unit/services/media/",
    "tests/unit/deploy/",
    "tests/unit/tools/test_supply_chain",
    "tests/unit/clients/",
    "tests/",
)
"""What takes long begins early: short modules then fill the gaps at the end."""


class BySystem(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """Gives a process whole modules, each half of `END_TO_END`, and `PACKAGES`, in the order in which they are collected."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def share_of(nodeid: str) -> str:
    """The tests that must run in the same process as this one: half a folder, a folder, or a module."""
    if nodeid.startswith(END_TO_END):
        return f"{END_TO_END} {'before' if nodeid < HALVES_MEET_AT else 'from'} {HALVES_MEET_AT}"
    return PACKAGES if nodeid.startswith(PACKAGES) else nodeid.partition("::")[0]


def rank_of(nodeid: str) -> int:
    """Smaller for tests that should begin earlier."""
    return next((rank for rank, start in enumerate(LONG_FIRST) if nodeid.startswith(start)), len(LONG_FIRST))


def ports_of(number: int, count: int) -> str:
    """The range of ports of process `number` (from 0) of `count`, as `STACK_PORTS` takes it."""
    width = (HIGHEST - LOWEST + 1) // count
    lowest = LOWEST + number * width
    return f"{lowest}-{lowest + width - 1}"
