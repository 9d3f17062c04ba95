"""The directory: what tokens say of users, and what becomes of what users say of themselves."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from shared import postgres
from shared.auth import Principal
from shared.directory import Directory, Profile


@pytest.fixture(scope="module")
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(SecretStr(database_url), size=8, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
def directory(pool: postgres.Pool) -> Directory:
    return Directory(pool)


@pytest.fixture
def user_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def name() -> str:
    """A username that no other test has."""
    return f"sam-{uuid.uuid4().hex[:8]}"


async def profile(directory: Directory, user_id: str) -> Profile:
    found = await directory.find(user_id)
    assert found is not None
    return found


async def test_a_new_user_is_what_the_claims_say(directory: Directory, user_id: str, name: str) -> None:
    await directory.ensure(Principal(user_id, 0, username=name, name="Sam", picture="https://a/1.png"))
    assert await profile(directory, user_id) == Profile(user_id, name, "Sam", "https://a/1.png")


async def test_without_claims_the_id_serves(directory: Directory, user_id: str) -> None:
    await directory.ensure(Principal(user_id, 0))
    assert await profile(directory, user_id) == Profile(user_id, user_id, user_id, None)


async def test_a_claim_that_changes_is_followed_there_and_back(
    directory: Directory, pool: postgres.Pool, user_id: str, name: str
) -> None:
    """Whichever process sees the token: none relies on what it saw itself."""
    one, other = (
        Principal(user_id, 0, username=name, name="Sam"),
        Principal(user_id, 0, username="x" + name, name="Max"),
    )
    for principal, seen_by in ((one, directory), (other, Directory(pool)), (one, directory)):
        await seen_by.ensure(principal)
        assert (await profile(directory, user_id)).username == principal.username
        assert (await profile(directory, user_id)).display_name == principal.name


async def test_a_username_belongs_to_who_carried_it_last(directory: Directory, user_id: str, name: str) -> None:
    first, second = Principal(user_id, 0, username=name), Principal(str(uuid.uuid4()), 0, username=name)
    for principal, other in ((first, second), (second, first), (first, second)):
        await directory.ensure(principal)
        owner = await directory.find_by_username(name)
        assert owner is not None
        assert owner.user_id == principal.user_id
        left = await directory.find(other.user_id)
        assert left is None or left.username == other.user_id


@pytest.mark.parametrize("called", ["by its id", "by its own claim", "by a name"])
async def test_an_id_is_no_name_for_another_user(directory: Directory, user_id: str, name: str, called: str) -> None:
    username = {"by its id": None, "by its own claim": user_id, "by a name": name}[called]
    owner, other = Principal(user_id, 0, username=username), Principal(str(uuid.uuid4()), 0, username=user_id)
    for principals in ([owner, other], [owner], [other]):
        await directory.ensure_all(principals)
        assert await profile(directory, user_id) == Profile(user_id, username or user_id, username or user_id, None)
        assert (await profile(directory, other.user_id)).username == other.user_id


@pytest.mark.parametrize("named", [True, False])
async def test_a_name_that_becomes_an_id_is_given_up(
    directory: Directory, user_id: str, name: str, *, named: bool
) -> None:
    other = Principal(str(uuid.uuid4()), 0, username=user_id)
    await directory.ensure(other)
    assert (await profile(directory, other.user_id)).username == user_id
    await directory.ensure(Principal(user_id, 0, username=name if named else None))
    assert (await profile(directory, other.user_id)).username == other.user_id
    # Whoever loses its name is named by its id, which must be free by then.
    await directory.ensure(Principal(str(uuid.uuid4()), 0, username=name))
    await directory.ensure(other)
    assert (await profile(directory, user_id)).username == user_id
    assert (await profile(directory, other.user_id)).username == other.user_id


async def test_an_ordinary_name_may_look_like_an_id(directory: Directory, name: str) -> None:
    looks = str(uuid.uuid4())
    first, second = (Principal(str(uuid.uuid4()), 0, username=looks) for _ in range(2))
    for principal in (first, second, first):
        await directory.ensure(principal)
        found = await directory.find_by_username(looks)
        assert found is not None
        assert found.user_id == principal.user_id


async def test_a_claim_that_is_absent_changes_nothing(directory: Directory, user_id: str, name: str) -> None:
    await directory.ensure(Principal(user_id, 0, username=name, name="Sam", picture="https://a/1.png"))
    before = await profile(directory, user_id)
    await directory.ensure(Principal(user_id, 0))
    assert await profile(directory, user_id) == before


async def test_what_the_user_edited_stays_until_the_claim_changes(
    directory: Directory, user_id: str, name: str
) -> None:
    claims = Principal(user_id, 0, username=name, name="Sam", picture="https://a/1.png")
    await directory.ensure(claims)
    await directory.update(user_id, display_name="Sammy", clear_avatar=True)
    await directory.ensure(claims)
    assert await profile(directory, user_id) == Profile(user_id, name, "Sammy", None)
    await directory.ensure(Principal(user_id, 0, username=name, name="Samuel", picture="https://a/1.png"))
    assert await profile(directory, user_id) == Profile(user_id, name, "Samuel", None)
    await directory.ensure(Principal(user_id, 0, username=name, name="Samuel", picture="https://a/2.png"))
    assert await profile(directory, user_id) == Profile(user_id, name, "Samuel", "https://a/2.png")


async def test_a_display_name_that_is_the_username_goes_with_it(directory: Directory, user_id: str, name: str) -> None:
    await directory.ensure(Principal(user_id, 0, username=name))
    await directory.ensure(Principal(user_id, 0, username="x" + name))
    assert (await profile(directory, user_id)).display_name == "x" + name


async def test_users_who_swap_their_names_at_once(directory: Directory, name: str) -> None:
    """Each takes what the other has: the one refused, or caught in a circle of locks, tries again."""
    ids, names = [str(uuid.uuid4()) for _ in range(2)], [name, "x" + name]
    for _ in range(10):
        names.reverse()
        claims = [Principal(user, 0, username=username) for user, username in zip(ids, names, strict=True)]
        await asyncio.gather(*map(directory.ensure, claims))
        known = await directory.profiles(ids)
        assert [known[user].username for user in ids] == names
