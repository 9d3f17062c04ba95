"""The query for users' friends, by the function that presence provides for that: alone, or along with another statement."""

from collections.abc import Iterable, Mapping
from typing import Final

from shared.directory import Companion
from shared.postgres import load_sql
from shared.protocol import relay

FRIENDS_BATCH: Final = 32
"""Users whose friends are read with one statement: with the most friends of each, this takes some milliseconds."""
ANSWER_SECONDS: Final = 1.0
"""Longest wait for such a statement."""
AWAY_SECONDS: Final = 2.0
"""How long friends aren't read in the same way again after that took too long."""
FRIENDS: Final = load_sql("services.gateway.registry", "friends")
_ALONG: Final = load_sql("services.gateway.registry", "friends_along")


def friends_along(users: Iterable[str], most: int) -> Companion:
    """Return the query for the friends of users with at most `most` of them, to go along with another statement."""
    return Companion(_ALONG, arguments_of(users, most))


def arguments_of(users: Iterable[str], most: int) -> tuple[list[str], int]:
    """Return the arguments of `FRIENDS`. One friend more than `most` shows that there are too many."""
    return list(users), most + 1


def friend_lists(versions: Mapping[str, str], found: Mapping[str, list[str]], most: int) -> dict[str, relay.FriendList]:
    """Return user → friends, for users with at most `most` of them.

    `versions`: user → the version that was read before. `found`: user → the members that the query returned.
    """
    return {
        user: relay.FriendList(user, version, found.get(user, []))
        for user, version in versions.items()
        if len(found.get(user, ())) <= most
    }
