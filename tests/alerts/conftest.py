"""One system for all alerts."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.alerts.watched import Watched, running


@pytest.fixture(scope="session")
async def watched(server_folder: Path) -> AsyncIterator[Watched]:
    """The watched system."""
    async with running(server_folder, os.environ) as started:
        yield started
