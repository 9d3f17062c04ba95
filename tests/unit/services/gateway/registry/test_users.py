"""Which handshakes wait until the directory has their user."""

import asyncio
from collections.abc import Iterable

import pytest

from services.gateway.registry import users
from services.gateway.registry.users import UserRegistration
from shared.auth import Principal
from shared.directory import Companion, Directory


class SlowDirectory(Directory):
    """Stores nothing, and not before it may."""

    def __init__(self) -> None:
        self.stored: list[list[Principal]] = []
        self.may = asyncio.Event()

    async def ensure_all(
        self, principals: Iterable[Principal], companion: Companion | None = None
    ) -> dict[str, list[str]]:
        """Remember who was to be stored together."""
        await self.may.wait()
        self.stored.append(list(principals))
        return {}


async def test_two_connections_of_one_user_wait_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is left to wait for its time to pass, and the later token counts."""
    monkeypatch.setattr(users, "WAIT_SECONDS", 60)
    directory = SlowDirectory()
    subject = UserRegistration(directory, lambda: 0)
    old, new = Principal("u", 0, name="old"), Principal("u", 0, name="new")
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(subject.run())
        arrivals = [tasks.create_task(subject.register(principal)) for principal in (old, new)]
        directory.may.set()
        await asyncio.gather(*arrivals)
        running.cancel()
    assert directory.stored[-1] == [new]
