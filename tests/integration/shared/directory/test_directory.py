"""The directory: the claims of tokens, and users' changes of their own profiles."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

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


async def test_usernames_compare_by_folded_case(directory: Directory, user_id: str, name: str) -> None:
    shown = "\N{FULLWIDTH LATIN CAPITAL LETTER S}traße-" + name
    await directory.ensure(Principal(user_id, 0, username=shown))
    for spelling in (shown, f"STRASSE-{name}", f"strasse-{name.upper()}"):
        found = await directory.find_by_username(spelling)
        assert found is not None, spelling
        assert (found.user_id, found.username) == (user_id, shown)
    other = str(uuid.uuid4())
    await directory.ensure(Principal(other, 0, username=f"strasse-{name}"))
    assert (await profile(directory, user_id)).username == user_id
    assert (await profile(directory, other)).username == f"strasse-{name}"


async def test_an_older_token_never_takes_a_name_back(directory: Directory, user_id: str, name: str) -> None:
    older = Principal(user_id, 0, issued_at=100, username=name, name="Old")
    newer = Principal(str(uuid.uuid4()), 0, issued_at=200, username=name.upper())
    for principal in (older, newer, older, replace(older, name="Older")):
        await directory.ensure(principal)
    owner = await directory.find_by_username(name)
    assert owner is not None
    assert owner.user_id == newer.user_id
    assert (await profile(directory, user_id)).username == user_id
    await directory.ensure(replace(older, issued_at=300))
    assert (await profile(directory, user_id)).username == name


async def test_an_older_token_changes_nothing(directory: Directory, user_id: str, name: str) -> None:
    newer = Principal(user_id, 0, issued_at=200, username=name, name="New", picture="https://a.example/2.png")
    await directory.ensure(newer)
    await directory.ensure(Principal(user_id, 0, issued_at=199, username="x" + name, name="Old"))
    assert await profile(directory, user_id) == Profile(user_id, name, "New", "https://a.example/2.png")


async def test_many_first_requests_with_one_username(directory: Directory, name: str) -> None:
    """All are stored, whoever keeps the name."""
    principals = [Principal(str(uuid.uuid4()), 0, username=name) for _ in range(24)]
    await asyncio.gather(*map(directory.ensure, principals))
    known = await directory.profiles(principal.user_id for principal in principals)
    assert len(known) == 24
    assert [found.username for found in known.values()].count(name) == 1


async def test_a_user_stored_by_an_older_release_is_found(
    directory: Directory, pool: postgres.Pool, user_id: str, name: str
) -> None:
    await directory.ensure(Principal(user_id, 0, username=name))
    await pool.execute("UPDATE directory.users SET username = 'x' || username WHERE id = $1::uuid", user_id)
    found = await directory.find_by_username("x" + name)
    assert found is not None
    assert found.user_id == user_id
    await directory.ensure(Principal(user_id, 0, username="x" + name))
    assert await directory.find_by_username("X" + name) == found


async def test_changes_of_profiles_wait_to_be_published(
    directory: Directory, pool: postgres.Pool, user_id: str, name: str
) -> None:
    async def changed() -> bool:
        found = await pool.fetchval(
            "DELETE FROM directory.profile_changes WHERE user_id = $1::uuid RETURNING 1", user_id
        )
        return found is not None

    await directory.ensure(Principal(user_id, 0, username=name))
    assert not await changed()
    await directory.ensure(Principal(user_id, 0, username=name, name="Sam"))
    assert await changed()
    await directory.ensure(Principal(user_id, 0, username=name, name="Sam"))
    assert not await changed()
    await directory.update(user_id, display_name="Sammy")
    assert await changed()
