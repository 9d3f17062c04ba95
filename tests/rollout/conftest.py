"""One system with two versions of the services, as in the middle of a rollout."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rollout.versions import EARLIER, FROM, earlier_commit, unpack, versions
from tests.support.stack import Stack
from tools.stack.home import Home
from tools.stack.plan import PREFIX
from tools.stack.ports import PortBook
from tools.stack.process import allow_many_files
from tools.stack.stack import Stack as LocalStack


@pytest.fixture(scope="module")
async def stack(server_folder: Path) -> AsyncIterator[Stack]:
    """Two replicas of gateway, messaging and presence each, the first of the earlier version; the schema is today's."""
    commit = earlier_commit(os.environ.get(FROM, ""))
    if commit is None:
        pytest.skip("there is no earlier commit: a shallow clone, or no repository")
    allow_many_files()
    folder = server_folder / "earlier"
    unpack(commit, folder)
    home = Home(server_folder / "rollout")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= dict.fromkeys(("GATEWAYS", "MESSAGING", "PRESENCE"), "2")
    environment["CHAT_PORT"] = str(PortBook(home).port("haproxy"))
    local = LocalStack(home, environment, tied=True, launch=versions(folder, EARLIER))
    try:
        await local.up()
        yield Stack(local)
    finally:
        await local.down()
