"""The first thing a connection hears of its user's friends: `status.bulk`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.presence.announcer import ATTEMPTS, MAX_OWED, Announcer, Bulk
from services.presence.friends import Circle, Friends
from services.presence.friendships import Friendships
from services.presence.outage import TRANSIENT_ERRORS
from shared.protocol import limits
from shared.redis import Shards


@dataclass(frozen=True, slots=True)
class Greeting:
    """A connection that waits for its `status.bulk`."""

    user_id: str
    connection_id: str
    gateway_id: str


class Greeter:
    """Sends connections the statuses of all their friends."""

    def __init__(self, shards: Shards, friends: Friends, announcer: Announcer, friendships: Friendships) -> None:
        self._shards = shards
        self._friends = friends
        self._announcer = announcer
        self._friendships = friendships
        self._owed: dict[str, Greeting] = {}

    async def greet(self, greetings: Sequence[Greeting], circles: Mapping[str, Circle]) -> None:
        """Greet, given the friends of every greeted user. Raises what redis and asyncpg raise.

        Friends that were lost meanwhile may have been told farewell before the bulk that names them: they are looked at
        again. New ones are in the next bulk. Who lacks friends whose server is away is greeted again: `settle`.
        """
        for _ in range(ATTEMPTS):
            if not greetings:
                return
            lacking = await self._announcer.send_bulks(self._bulks(greetings, circles))
            self._owe([greeting for greeting in greetings if greeting.connection_id in lacking])
            fresh = await self._changed({greeting.user_id: circles[greeting.user_id] for greeting in greetings})
            for user, circle in fresh.items():
                for friend in set(circles[user].user_ids).difference(circle.user_ids):
                    await self._friendships.retell(user, friend)
            circles = fresh
            greetings = [greeting for greeting in greetings if greeting.user_id in fresh]

    async def settle(self) -> None:
        """Greet those again whose greeting lacked something."""
        groups = self._shards.split({greeting.user_id for greeting in self._owed.values()})
        for users in groups.values():
            wanted = set(users)
            greetings = [greeting for greeting in self._owed.values() if greeting.user_id in wanted]
            for greeting in greetings:
                del self._owed[greeting.connection_id]
            try:
                await self.greet(greetings, await self._friends.of(users))
            except TRANSIENT_ERRORS:
                self._owe(greetings)

    def _owe(self, greetings: Sequence[Greeting]) -> None:
        room = MAX_OWED - len(self._owed)
        self._owed |= {greeting.connection_id: greeting for greeting in greetings[:room]}

    async def _changed(self, circles: Mapping[str, Circle]) -> dict[str, Circle]:
        """Those of the circles that are no longer right, as they are now."""
        versions = await self._friends.versions(circles)
        changed = [user for user, circle in circles.items() if versions[user] != circle.version]
        return await self._friends.of(changed) if changed else {}

    def _bulks(self, greetings: Sequence[Greeting], circles: Mapping[str, Circle]) -> dict[int, list[Bulk]]:
        """Server index → bulks. A user without friends gets an empty one: clients wait for it."""
        bulks: dict[int, list[Bulk]] = {}
        for greeting in greetings:
            user, circle = greeting.user_id, circles[greeting.user_id]
            chunks = self._chunks(user, [*circle.user_ids, *circle.absent])
            absent = set(circle.absent)
            for index, users in chunks:
                hidden = [each for each in users if each in absent] if absent else []
                told = [each for each in users if each not in absent] if absent else users
                bulk = Bulk(greeting.gateway_id, greeting.connection_id, user, told, hidden, len(chunks))
                bulks.setdefault(index, []).append(bulk)
        return bulks

    def _chunks(self, user_id: str, friends: list[str]) -> list[tuple[int, list[str]]]:
        """(server index, friends who are told of in one event)."""
        size = limits.STATUS_BULK_CHUNK
        return [
            (index, users[first : first + size])
            for index, users in self._shards.split(friends).items()
            for first in range(0, len(users), size)
        ] or [(self._shards.index_of(user_id), [])]
