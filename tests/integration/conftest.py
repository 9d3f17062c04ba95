"""Fixtures of all tests of one service, or of what services share."""

from collections.abc import AsyncIterator

import pytest

from shared.redis import Partitions, open_partitions


@pytest.fixture
async def one_partition(redis_url: str) -> AsyncIterator[Partitions]:
    """All of Redis as one server."""
    opened = open_partitions(redis_url)
    yield opened
    await opened.aclose()


@pytest.fixture
def partitions(one_partition: Partitions) -> Partitions:
    """One partition. Tests of services with several have a fixture of their own."""
    return one_partition
