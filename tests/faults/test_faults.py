"""Under load, something breaks: nothing that was acknowledged is lost, doubled or out of order.

The short form does the commonest faults once. `FAULTS=long`, as `make faults` sets it, does all of them, several times each,
and writes the table of the report.
"""

import os

import pytest

from tests.faults import report
from tests.faults.faults import FAULTS, Fault
from tests.faults.load import chatting
from tests.faults.system import System

LONG = os.environ.get("FAULTS") == "long"
CHOSEN = [fault for fault in FAULTS if LONG or fault.quick]


@pytest.fixture(scope="module", autouse=True)
def table() -> None:
    """The report of a long run."""
    if LONG:
        report.begin()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
async def test_nothing_is_lost(fault: Fault, system: System) -> None:
    rounds = fault.rounds if LONG else 1
    async with chatting(system) as load:
        for _ in range(rounds):
            await fault.act(system, load)
            await load.flows(fault.recovery_seconds)
        result = await load.finish()
    if LONG:
        report.add(fault.name, rounds, result)
