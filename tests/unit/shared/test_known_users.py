"""Users whose claims need not be stored again."""

from dataclasses import replace

from shared.auth import Principal
from shared.directory import Directory, KnownUsers
from shared.directory.known_users import FRESH_SECONDS

SAM = Principal("550e8400-e29b-41d4-a716-446655440000", expires_at=9e9, issued_at=5, username="sam")


class CountingDirectory(Directory):
    """Only counts: what is stored is tested with PostgreSQL."""

    def __init__(self) -> None:
        self.stored: list[Principal] = []

    async def ensure(self, principal: Principal) -> None:
        """Count it."""
        self.stored.append(principal)


async def test_the_same_claims_are_stored_once_a_minute() -> None:
    now, directory = 10.0, CountingDirectory()
    users = KnownUsers(directory, lambda: now)
    for _ in range(3):
        await users.ensure(SAM)
    assert directory.stored == [SAM]
    now += FRESH_SECONDS
    await users.ensure(SAM)
    assert directory.stored == [SAM, SAM]


async def test_other_claims_are_stored_at_once_in_either_order() -> None:
    directory = CountingDirectory()
    users = KnownUsers(directory)
    newer = replace(SAM, issued_at=6, username="samuel")
    for principal in (SAM, newer, SAM):
        await users.ensure(principal)
    assert directory.stored == [SAM, newer, SAM]
