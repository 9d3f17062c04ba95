"""A chat for the tests of another project. docs/testing-against-it.md shows this file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from testcontainers.compose import DockerCompose


@contextmanager
def running_chat(checkout: str, port: int, admin_port: int, **settings: str) -> Iterator[DockerCompose]:
    """Build and start the chat in `checkout` at two free ports of this machine; at the end it goes, with its data."""
    environment = {
        "COMPOSE_PROJECT_NAME": f"chat-test-{os.getpid()}",
        "CHAT_PORT": str(port),
        "CHAT_ADMIN_PORT": str(admin_port),
        "CHAT_ENV_FILE": os.devnull,
        **settings,
    }
    with patch.dict(os.environ, environment), DockerCompose(checkout, build=True, quiet_build=True) as compose:
        yield compose
