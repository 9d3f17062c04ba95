"""Any one node is lost under load: nothing acknowledged is lost, doubled or out of order, and answers come again in time.

The short form does the commonest faults. `CLUSTERS=long`, as `make clusters` sets it, does all of them, and writes their rows
into the table of `docs/reliability.md`.
"""

import os
import time

import pytest

from tests.clusters import report
from tests.clusters.availability import watched
from tests.clusters.faults import BROKERS, FAULTS, Fault
from tests.clusters.system import System
from tests.faults.load import chatting

LONG = os.environ.get("CLUSTERS") == "long"
CHOSEN = [fault for fault in FAULTS if LONG or fault.quick]
ONE_ADDRESS = ", by one address"


async def survives(fault: Fault, system: System, name: str) -> None:
    """Let it happen under load. Times hold on a machine that does little else, which only the long form may expect."""
    async with chatting(system) as load, watched(system.url, asks=LONG) as kept:
        begun = time.monotonic()
        done_at = await fault.act(system, load)
        ended = time.monotonic()
        result = await load.finish()
        if not LONG:
            return
        since = report.Waits.within(done_at or begun, ended, load, kept)
        if done_at is not None:
            name += f" (from then on: senders {since.sender:.1f} s, REST {since.rest:.1f} s)"
        report.write(name, result.messages, report.Waits.within(begun, ended, load, kept))
        assert since.acknowledgement <= fault.acknowledged_within
        assert since.rest <= fault.rest_within, kept.refused
        assert fault.senders_within is None or since.sender <= fault.senders_within


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
async def test_a_node_is_lost(fault: Fault, system: System) -> None:
    await survives(fault, system, fault.name)


@pytest.mark.timeout(300)
@pytest.mark.skipif(not LONG, reason="CLUSTERS=long, as make clusters sets it, runs this")
@pytest.mark.parametrize("fault", BROKERS, ids=lambda fault: fault.name)
async def test_a_node_is_lost_behind_a_load_balancer(fault: Fault, balanced_system: System) -> None:
    await survives(fault, balanced_system, fault.name + ONE_ADDRESS)
