"""A gateway stores a new connection's claims and reads the user's friends with one statement."""

import asyncio
import uuid

import pytest

from services.gateway.registry import users
from services.gateway.registry.users import UserRegistration
from shared.auth import Principal
from shared.directory import Directory
from shared.postgres import Pool
from shared.protocol import relay
from tests.support.presence import Replica

VERSION = "7"


async def registered(pool: Pool, principal: Principal, most_friends: int = 500) -> relay.FriendList | None:
    """What the registration of a user whom the gateway doesn't know finds."""
    registration = UserRegistration(Directory(pool), lambda: most_friends)
    running = asyncio.create_task(registration.run())
    try:
        found = await registration.register(principal, VERSION)
        # The claims of a known user are not stored again, so nothing is read along.
        assert await registration.register(principal, VERSION) is None
        return found
    finally:
        running.cancel()


def claims(user: str) -> Principal:
    return Principal(user, 0, username=f"sam-{uuid.uuid4().hex[:8]}")


async def is_stored(pool: Pool, principal: Principal) -> bool:
    profile = await Directory(pool).find(principal.user_id)
    return profile is not None and profile.username == principal.username


async def test_friends_come_with_the_claims(pool: Pool, friends: tuple[str, str]) -> None:
    principal = claims(friends[0])
    assert await registered(pool, principal) == relay.FriendList(friends[0], VERSION, [friends[1]])
    assert await is_stored(pool, principal)


async def test_a_new_user_has_no_friends(pool: Pool) -> None:
    principal = claims(str(uuid.uuid4()))
    assert await registered(pool, principal) == relay.FriendList(principal.user_id, VERSION, [])
    assert await is_stored(pool, principal)


async def test_users_who_swap_their_names_get_their_friends_too(pool: Pool, friends: tuple[str, str]) -> None:
    """A changed name needs further statements."""
    one, other = (claims(user) for user in friends)
    for principal in (one, other):
        await registered(pool, principal)
    swapped = Principal(one.user_id, 0, 1.0, other.username)
    assert await registered(pool, swapped) == relay.FriendList(friends[0], VERSION, [friends[1]])
    assert await is_stored(pool, swapped)


@pytest.mark.parametrize("most", [0, 1])
async def test_more_friends_than_are_of_use_are_not_taken(
    pool: Pool, replica: Replica, friends: tuple[str, str], most: int
) -> None:
    user, third = friends[0], str(uuid.uuid4())
    for pair in ((user, third), (third, user)):
        await replica.follow(*pair)
    principal = claims(user)
    assert await registered(pool, principal, most) is None
    assert await is_stored(pool, principal)


async def test_claims_do_not_wait_for_the_table_of_follows(
    pool: Pool, friends: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "ANSWER_SECONDS", 0.1)
    principal = claims(friends[0])
    async with pool.acquire() as holding, holding.transaction():
        await holding.execute("LOCK TABLE presence.follows")
        assert await registered(pool, principal) is None
        assert await is_stored(pool, principal)
