"""Friend snapshots: the `status.bulk` that a new connection gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.presence.announcer import ATTEMPTS, MAX_UNSENT, Announcer
from services.presence.bulks import CONNECTIONS_PER_BULK, Bulk
from services.presence.friend_cache import FriendCache, FriendList
from services.presence.friendship_service import FriendshipService
from services.presence.routes import READ_PER_CALL
from shared.protocol import limits
from shared.redis import Partitions
from shared.retry import is_transient


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A connection that waits for its `status.bulk`."""

    user_id: str
    connection_id: str
    gateway_id: str


class FriendSnapshots:
    """Sends connections the statuses of all friends of their user."""

    def __init__(
        self, partitions: Partitions, friends: FriendCache, announcer: Announcer, friendships: FriendshipService
    ) -> None:
        self._partitions = partitions
        self._friends = friends
        self._announcer = announcer
        self._friendships = friendships
        self._unsent: dict[str, SnapshotRequest] = {}

    async def send(self, requests: Sequence[SnapshotRequest], friend_lists: Mapping[str, FriendList]) -> None:
        """Send snapshots, given the friend lists of all their users. Raises what redis and asyncpg raise.

        A friend that was lost meanwhile may have been reported offline before the bulk with its status, so its status is
        published again. New friends are in the repeated bulk. `resend` sends incomplete snapshots again when the partition is
        back.
        """
        for _ in range(ATTEMPTS):
            if not requests:
                return
            incomplete = await self._announcer.send_bulks(self._bulks(requests, friend_lists))
            self._keep_unsent([request for request in requests if request.connection_id in incomplete])
            fresh = await self._changed({request.user_id: friend_lists[request.user_id] for request in requests})
            for user, friend_list in fresh.items():
                for friend in set(friend_lists[user].user_ids).difference(friend_list.user_ids):
                    await self._friendships.retell(user, friend)
            friend_lists = fresh
            requests = [request for request in requests if request.user_id in fresh]

    async def resend(self) -> None:
        """Send incomplete snapshots again."""
        groups = self._partitions.split({request.user_id for request in self._unsent.values()})
        for users in groups.values():
            wanted = set(users)
            requests = [request for request in self._unsent.values() if request.user_id in wanted]
            for request in requests:
                del self._unsent[request.connection_id]
            try:
                await self.send(requests, await self._friends.of(users))
            except Exception as error:
                if not is_transient(error):
                    raise
                self._keep_unsent(requests)

    def _keep_unsent(self, requests: Sequence[SnapshotRequest]) -> None:
        room = MAX_UNSENT - len(self._unsent)
        self._unsent |= {request.connection_id: request for request in requests[:room]}

    async def _changed(self, friend_lists: Mapping[str, FriendList]) -> dict[str, FriendList]:
        """Return the current lists of users whose list is outdated."""
        versions = await self._friends.versions(friend_lists)
        changed = [user for user, friend_list in friend_lists.items() if versions[user] != friend_list.version]
        return await self._friends.of(changed) if changed else {}

    def _bulks(
        self, requests: Sequence[SnapshotRequest], friend_lists: Mapping[str, FriendList]
    ) -> dict[int, list[Bulk]]:
        """Return partition index → bulks. A user without friends gets an empty bulk, because clients wait for it.

        The statuses for all connections of one user are read once.
        """
        connections: dict[str, list[tuple[str, str]]] = {}
        for request in requests:
            connections.setdefault(request.user_id, []).append((request.gateway_id, request.connection_id))
        bulks: dict[int, list[Bulk]] = {}
        for user, places in connections.items():
            friend_list = friend_lists[user]
            chunks = self._chunks(user, [*friend_list.user_ids, *friend_list.absent])
            absent = set(friend_list.absent)
            for index, users in chunks:
                hidden = [each for each in users if each in absent] if absent else []
                told = [each for each in users if each not in absent] if absent else users
                for first in range(0, len(places), CONNECTIONS_PER_BULK):
                    some = places[first : first + CONNECTIONS_PER_BULK]
                    bulks.setdefault(index, []).append(Bulk(some, user, told, hidden, len(chunks)))
        return bulks

    def _chunks(self, user_id: str, friends: list[str]) -> list[tuple[int, list[str]]]:
        """Return (partition index, friends of one event): no more than one script reads."""
        size = min(limits.STATUS_BULK_CHUNK, READ_PER_CALL)
        return [
            (index, users[first : first + size])
            for index, users in self._partitions.split(friends).items()
            for first in range(0, len(users), size)
        ] or [(self._partitions.index_of(user_id), [])]
