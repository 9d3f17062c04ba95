"""Any one node is lost under load: nothing acknowledged is lost, doubled or out of order, and answers come again in time.

The short form does the commonest faults. `CLUSTERS=long`, as `make clusters` sets it, does all of them, and writes the table
of the report.
"""

import os

import pytest

from tests.clusters import report
from tests.clusters.availability import watched
from tests.clusters.faults import FAULTS, Fault
from tests.clusters.system import System
from tests.faults.load import chatting

LONG = os.environ.get("CLUSTERS") == "long"
CHOSEN = [fault for fault in FAULTS if LONG or fault.quick]


@pytest.fixture(scope="module", autouse=True)
def table() -> None:
    """The report of a long run."""
    if LONG:
        report.begin()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
async def test_a_node_is_lost(fault: Fault, system: System) -> None:
    async with chatting(system) as load, watched(system.url) as kept:
        await fault.act(system, load)
        result = await load.finish()
    if LONG:
        # Times hold on a machine that does little else, which only the long form may expect.
        report.add(fault.name, load, result, kept)
        assert report.without_acknowledgement(load) <= fault.acknowledged_within
        assert kept.longest["rest"] <= fault.rest_within, kept.refused
