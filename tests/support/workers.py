"""How the processes of a parallel run (`pytest -n 3`, by pytest-xdist) share the tests and the machine.

Each has servers and ports of its own. Tests that share what takes long to start go to one process.
"""

from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tools.stack.ports import HIGHEST, LOWEST

END_TO_END = "tests/e2e/"
SYSTEMS = 3
"""The end-to-end tests take longest by far: so many processes share their modules, each with a system."""
PACKAGES = "tests/packages/"
"""They share the packages that they build: one process."""
LONG_FIRST = (
    f"{END_TO_END}test_web_page",
    f"{END_TO_END}test_push",
    f"{END_TO_END}test_hostile_account",
    END_TO_END,
    "tests/clusters/",
    "tests/faults/",
    PACKAGES,
    "tests/integration/stack/",
    "tests/integration/",
    # These wait more than they work: beside the next ones, which only work, rather than at the end.
    "tests/unit/chat_client/",
    "tests/unit/shared/auth/",
    "tests/unit/shared/rest/",
    "tests/unit/lint/",
    "tests/unit/services/media/",
    "tests/unit/deploy/",
    "tests/unit/tools/test_supply_chain",
    "tests/unit/clients/",
    "tests/",
)
"""What takes long begins early: short modules then fill the gaps at the end."""


class BySystem(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """Gives a process whole modules, and `PACKAGES`, in the order in which they are collected.

    The first `SYSTEMS` processes get those of `END_TO_END` first, and the others only when nothing else is left.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._with_system: set[WorkerController] = set()

    def _assign_work_unit(self, node: WorkerController) -> None:
        chosen = choose(self.workqueue, end_to_end=node in self._with_system or len(self._with_system) < SYSTEMS)
        if chosen.startswith(END_TO_END):
            self._with_system.add(node)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return share_of(nodeid)


def choose(shares: Iterable[str], *, end_to_end: bool) -> str:
    """Return the first share of the wanted kind, or else the first of all."""
    waiting = list(shares)
    return next((share for share in waiting if share.startswith(END_TO_END) == end_to_end), waiting[0])


def share_of(nodeid: str) -> str:
    """The tests that must run in the same process as this one: a folder, or a module."""
    return PACKAGES if nodeid.startswith(PACKAGES) else nodeid.partition("::")[0]


def rank_of(nodeid: str) -> int:
    """Smaller for tests that should begin earlier."""
    return next((rank for rank, start in enumerate(LONG_FIRST) if nodeid.startswith(start)), len(LONG_FIRST))


def ports_of(number: int, count: int) -> str:
    """The range of ports of process `number` (from 0) of `count`, as `STACK_PORTS` takes it."""
    width = (HIGHEST - LOWEST + 1) // count
    lowest = LOWEST + number * width
    return f"{lowest}-{lowest + width - 1}"
