"""One system for all faults: what one leaves behind is what the next one meets."""

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.clusters.system import System, running
from tools.stack.errors import NoServer

FreshFolder = Callable[[str], Path]


@pytest.fixture
def fresh_folder(server_folder: Path) -> FreshFolder:
    """Makes folders for servers: `fresh_folder("cluster")`.

    A test that runs again in the same session gets others: servers must not find what they wrote the first time.
    """

    def make(name: str) -> Path:
        made = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=server_folder))
        made.chmod(0o755)  # for servers that don't run as root
        return made

    return make


@pytest.fixture(scope="module")
async def system(server_folder: Path) -> AsyncIterator[System]:
    """The system, whose servers are programs of this machine: a container's process can't be killed like one."""
    try:
        async with running(server_folder, os.environ) as started:
            yield started
    except NoServer as error:
        pytest.skip(f"cluster tests need the servers' programs: {error}")


@pytest.fixture(scope="module")
async def balanced_system(server_folder: Path) -> AsyncIterator[System]:
    """The same with one address for all nodes of RabbitMQ."""
    try:
        async with running(Path(tempfile.mkdtemp(dir=server_folder)), os.environ, balance=True) as started:
            yield started
    except NoServer as error:
        pytest.skip(f"cluster tests need the servers' programs: {error}")
