"""Gateways in the test's process, with real RabbitMQ, Redis and PostgreSQL."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.backends import Backends
from tests.support.gateway import Backend, RunningGateway, StartGateway, backend, running_gateway, settings_for


@pytest.fixture(scope="module")
async def amqp_url(backends: Backends) -> str:
    """A virtual host with every queue, empty: each test declares them before a service can."""
    await backends.empty_queues()
    return backends.amqp


@pytest.fixture
async def behind(amqp_url: str, redis_url: str) -> AsyncIterator[Backend]:
    """The services behind the gateways, played by the test."""
    async with backend(amqp_url, redis_url) as opened:
        yield opened


@pytest.fixture
async def start_gateway(
    database_url: str, amqp_url: str, redis_url: str, behind: Backend
) -> AsyncIterator[StartGateway]:
    """Starts gateways; `start_gateway(ping_seconds=1)` changes a setting."""
    async with AsyncExitStack() as stack:

        async def start(*, wait: bool = True, **changes: Any) -> RunningGateway:
            urls = {"database": database_url, "amqp": amqp_url, "redis": redis_url}
            settings = settings_for(**{**urls, **changes})
            return await stack.enter_async_context(running_gateway(settings, wait=wait))

        yield start


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> RunningGateway:
    """One gateway with everything at its default but the rates."""
    return await start_gateway()


@pytest.fixture
def alice() -> str:
    """A username that no other test has."""
    return f"alice-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bob() -> str:
    """Another one."""
    return f"bob-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def conversation() -> str:
    """A conversation id."""
    return str(uuid.uuid4())
