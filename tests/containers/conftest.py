"""The whole system as docker-compose.yml makes it: built, started and taken down by testcontainers.

`make test-containers` runs these; they take minutes, so `make test` leaves them out, and says so.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.containers.running_chat import running_chat
from tests.containers.system import System
from tests.support.people import People
from tests.support.webhook_receiver import PATH, SECRET
from tools.devtoken import LOCAL_SECRET
from tools.stack.ports import free_port

ROOT = Path(__file__).parents[2]


BUILD_SECONDS = 1200
"""The first test waits for the images, all of whose packages may have to be fetched."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave this folder's tests out unless Docker was asked for; it then must answer."""
    asked = os.environ.get("STACK_BACKENDS") == "docker"
    for item in (item for item in items if item.path.is_relative_to(Path(__file__).parent)):
        item.add_marker(pytest.mark.timeout(BUILD_SECONDS))
        if not asked:
            item.add_marker(pytest.mark.skip(reason="`make test-containers` runs it, with a Docker engine"))


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """The running system, under a name and at a port of its own."""
    port, admin, hook = free_port(), free_port(), free_port()
    settings = {
        "CHAT_JWT_SECRET": LOCAL_SECRET,
        "CHAT_WEBHOOK_URLS": f"http://host.docker.internal:{hook}{PATH}",
        "CHAT_WEBHOOK_SECRET": SECRET,
    }
    with running_chat(str(ROOT), port, admin, **settings) as compose:
        yield System(compose, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", hook)


@pytest.fixture(scope="session")
def chat(system: System) -> str:
    """The system's origin, as the tests of another project get it."""
    return system.url


@pytest.fixture
async def people(system: System) -> AsyncIterator[People]:
    """Persons of this test; their sockets are closed when it ends."""
    async with AsyncExitStack() as exits:
        yield People(system.url, exits)
