"""The whole system as docker-compose.yml makes it: built, started and taken down by testcontainers.

`make test-containers` runs these; they take minutes, so `make test` leaves them out, and says so.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from testcontainers.compose import DockerCompose

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
    name, port, admin, hook = f"chat-test-{os.getpid()}", free_port(), free_port(), free_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COMPOSE_PROJECT_NAME", name)
        environment.setenv("CHAT_PORT", str(port))
        environment.setenv("CHAT_JWT_SECRET", LOCAL_SECRET)
        environment.setenv("CHAT_ENV_FILE", os.devnull)
        environment.setenv("CHAT_ADMIN_PORT", str(admin))
        environment.setenv("CHAT_WEBHOOK_URLS", f"http://host.docker.internal:{hook}{PATH}")
        environment.setenv("CHAT_WEBHOOK_SECRET", SECRET)
        with DockerCompose(str(ROOT), build=True, quiet_build=True) as compose:
            yield System(compose, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}", hook)


@pytest.fixture
async def people(system: System) -> AsyncIterator[People]:
    """Persons of this test; their sockets are closed when it ends."""
    async with AsyncExitStack() as exits:
        yield People(system.url, exits)
