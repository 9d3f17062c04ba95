"""The server API's requests to presence: changes of the follow graph in bulk, and a user's data for export and erasure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from services.presence.announcer import Announcement, Announcer
from services.presence.follow_store import FollowStore
from services.presence.friend_cache import FriendCache
from services.presence.friendship_service import ATTEMPTS, FriendshipUnsettled
from services.presence.statuses import Statuses
from shared.protocol import keys
from shared.protocol.codec import instant, json_encoder
from shared.protocol.requests import Done, EraseUser, ExportPage, ExportUser, Imported, PresenceRequest, SetFollows
from shared.redis import Partitions

BATCH: Final = 1_000
"""Rows that one request erases or exports."""
_OF_USER: Final = (keys.ONLINE, keys.STATUSES, keys.FRIENDS, keys.ABSENCES)
"""Redis keys of presence that hold data of one user. A friend list's version stays: it holds no data of the user, and expires."""


class Requests:
    """Carries the requests out. Every method raises what asyncpg and redis raise, and may be repeated after that."""

    def __init__(
        self,
        partitions: Partitions,
        follows: FollowStore,
        friends: FriendCache,
        announcer: Announcer,
        statuses: Statuses,
    ) -> None:
        self._partitions = partitions
        self._follows = follows
        self._friends = friends
        self._announcer = announcer
        self._statuses = statuses

    async def handle(self, request: PresenceRequest, _again: bool) -> msgspec.Struct:
        """Carry out one request, and return its answer."""
        if isinstance(request, SetFollows):
            return Imported(await self._set_follows(request))
        if isinstance(request, EraseUser):
            return Done(more=await self._erase(request.user_id))
        return await self._export(request)

    async def _set_follows(self, request: SetFollows) -> list[bool]:
        """Change the graph.

        Of two changes of one edge the later one counts. Returns for each change whether it created an edge.
        """
        edges = {(change.follower, change.followee): change for change in request.changes}
        new = await self._follows.set_all(edges.values())
        await self._friends.forget(*{user for edge in edges for user in edge})
        if request.announce:
            await self._announce({tuple(sorted(edge)) for edge, change in edges.items() if change.follows})
        return [(change.follower, change.followee) in new for change in request.changes]

    async def _announce(self, pairs: Iterable[tuple[str, ...]]) -> None:
        """Tell friends each other's status. With a block, each is told that the other is offline."""
        left = set(pairs)
        for _ in range(ATTEMPTS):
            versions = await self._friends.versions({user for pair in left for user in pair})
            announcements: list[Announcement] = []
            for one, other, blocked in await self._follows.mutual_pairs(left):
                for user, viewer in ((one, other), (other, one)):
                    mode = Announcement(user, [viewer], version=versions[user], mode="hide" if blocked else "tell")
                    announcements.append(mode)
            stale = await self._announcer.publish(announcements)
            if not stale:
                return
            left = {tuple(sorted((each.user_id, *each.receivers))) for each in stale}
        raise FriendshipUnsettled(f"{len(left)} pairs")

    async def _erase(self, user_id: str) -> bool:
        """Erase a part. True when there is more."""
        others = await self._follows.erase_follows(user_id, BATCH)
        if others:
            await self._friends.forget(user_id, *others)
            return True
        for other in await self._follows.erase_blocks(user_id, BATCH):
            await self._statuses.forget_block(user_id, other)
        partition = self._partitions.of(user_id)
        if await partition.client.zcard(partition.key(keys.LEASES, user_id)):
            # The user's connections were closed a moment ago. Keys that their end still writes are deleted by the next call.
            return True
        for prefix in _OF_USER:
            await partition.client.delete(partition.key(prefix, user_id))
        return False

    async def _export(self, request: ExportUser) -> ExportPage:
        after = tuple(request.page.split("/")) if request.page else (None, None)
        rows = await self._follows.export(request.user_id, after, BATCH)
        lines = [
            json_encoder.encode(
                {"kind": "follow", "follower": follower, "followee": followee, "createdAt": instant(created_at)}
            ).decode()
            for follower, followee, created_at in rows
        ]
        return ExportPage(lines, "/".join(rows[-1][:2]) if len(rows) == BATCH else "")
