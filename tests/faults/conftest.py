"""One system for all faults: what one fault leaves behind is what the next one meets."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.system import System, running
from tools.stack.errors import NoServer


@pytest.fixture(scope="module")
async def system(server_folder: Path) -> AsyncIterator[System]:
    """The system, whose servers are programs of this machine: a container's process can't be killed like one."""
    try:
        async with running(server_folder, os.environ) as started:
            yield started
    except NoServer as error:
        pytest.skip(f"fault tests need the servers' programs: {error}")
