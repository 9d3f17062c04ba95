"""Announcements: publishes presence events to the gateways of the users who must get them.

Routes are read on the receivers' Redis partitions. Statuses are read on the partition of the user they are about, by the
script that publishes them: `docs/decisions/0004-statuses-are-published-on-the-users-own-server.md` says why.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, Literal

import msgspec

from services.presence import metrics
from services.presence.bulks import Bulk
from services.presence.friend_cache import VERSION_SECONDS, FriendCache, FriendList
from services.presence.leases import Outcome
from services.presence.partition_health import PartitionHealth
from services.presence.profile_events import publish_profile
from services.presence.routes import (
    PAUSE_SECONDS,
    READ_PER_CALL,
    RECEIVERS_PER_CALL,
    Gateways,
    gateways_of,
    read_routes,
    route_reads,
)
from services.presence.rules import RANK, Kind, kinds_of
from services.presence.webhook_queue import WebhookQueue
from shared.parts import parts_by_weight
from shared.protocol import relay, server
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.payloads import Status, StatusBulkPayload, UserStatus
from shared.redis import Partition, Partitions, Script
from shared.retry import is_transient

ATTEMPTS: Final = 5
"""How often a friend list that keeps changing is read again. After that, the event is announced later, as overdue."""
MAX_UNSENT: Final = 50_000
"""Most users with an unsent status, because a friend's partition is away. A new connection gets a later snapshot anyway."""

_PUBLISH: Final = Script("services.presence", "state", "events", "publish")

_PLACE: Final = "%s"


def _status_text(status: Status) -> str:
    shown = UserStatus(_PLACE, status != "offline", status, _PLACE)
    # The time may be null, so the script writes its quotation marks.
    return _text(shown).replace(f'"lastSeen":"{_PLACE}"', f'"lastSeen":{_PLACE}')


def _text(value: msgspec.Struct) -> str:
    return json_encoder.encode(value).decode()


def _make_templates() -> tuple[dict[str, str], dict[str, str], str]:
    sample = UserStatus("", False, "offline", None)
    events: dict[Kind, msgspec.Struct] = {
        "online": server.UserOnline(sample),
        "offline": server.UserOffline(sample),
        "status": server.UserStatusChanged(sample),
    }
    bulk = server.StatusBulk(StatusBulkPayload([sample]))
    return (
        {status: _status_text(status) for status in RANK},
        {kind: _text(event).replace(_text(sample), _PLACE) for kind, event in events.items()},
        _text(bulk).replace(_text(sample), _PLACE),
    )


TEMPLATES: Final = _make_templates()
"""JSON with `%s` where `lua/publish.lua` inserts what it reads: status → a user's status (user id, last seen); kind → event
(status); `status.bulk` (statuses). The templates are built from the declared structs, so that the script doesn't repeat names of
the protocol.
"""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event about one user for others.

    Empty `kinds`: the script chooses the event by the status. `due`: see `Outcome.announcement`.

    `version`: publish only while it is the version of the user's friend list; None: always.
    `mode`: "tell" publishes the true status. "hide" publishes that the user is offline. "block" applies a new block, unless one
    is in force already: cached friend lists of the user become invalid, the viewer sees the user as offline from now on, and
    receivers that saw the user online are told. `block`: the viewer, and the time at which the block became known, in Unix
    seconds.
    """

    user_id: str
    receivers: Sequence[str]
    kinds: Sequence[Kind] = ()
    due: str = ""
    version: str | None = None
    mode: Literal["tell", "hide", "block"] = "tell"
    block: tuple[str, int] | None = None


class Announcer:
    """Publishes presence events to gateways. Receivers whose partition is away get them later, by `resend`."""

    def __init__(
        self,
        partitions: Partitions,
        friends: FriendCache,
        health: PartitionHealth,
        webhooks: WebhookQueue | None = None,
    ) -> None:
        self._webhooks = webhooks
        self._partitions = partitions
        self._friends = friends
        self._health = health
        self._unsent: dict[str, set[str]] = {}

    async def announce(self, outcomes: Iterable[Outcome], friend_lists: dict[str, FriendList]) -> None:
        """Publish changes to friends, and a changed status to the user's own connections too.

        Raises what redis and asyncpg raise.
        """
        pending = {outcome.user_id: outcome for outcome in outcomes if outcome.announcement}
        metrics.TRANSITIONS.inc(len(pending))
        if self._webhooks is not None:
            await self._webhooks.tell(pending.values())
        announcements = [_announcement(outcome, friend_lists[user]) for user, outcome in pending.items()]
        for _ in range(ATTEMPTS):
            stale = await self.publish(announcements)
            if not stale:
                return
            friend_lists = await self._friends.of(announcement.user_id for announcement in stale)
            announcements = [_announcement(pending[user], friend_list) for user, friend_list in friend_lists.items()]
            # A friend that was lost meanwhile has seen the user online, and would never see a change.
            lost = (
                (each.user_id, set(each.receivers).difference(friend_lists[each.user_id].user_ids)) for each in stale
            )
            gone = [(user, friends) for user, friends in lost if friends and pending[user].after == "offline"]
            announcements += [Announcement(user, sorted(friends), mode="hide") for user, friends in gone]

    async def friends_of(self, outcomes: Iterable[Outcome]) -> dict[str, FriendList]:
        """Return user → friend list for the users of some outcomes. Lists that an outcome lacks are read."""
        return await self._friends.complete({outcome.user_id: outcome.friends for outcome in outcomes})

    async def answer(self, user_ids: Iterable[str]) -> None:
        """Publish users' statuses to their own connections."""
        await self.publish([Announcement(user, [user], ["status"]) for user in user_ids])

    async def publish(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Publish announcements. Returns those with an outdated version, which were not published."""
        if not announcements:
            return []
        own = {self._partitions.index_of(each.user_id) for each in announcements}
        many = any(len(each.receivers) > READ_PER_CALL for each in announcements)
        receivers = {receiver for each in announcements for receiver in each.receivers}
        routes, away = await self._routes(receivers, own, pauses=many)
        if away:
            self._keep_unsent(announcements, away)
        calls = [self._publish_part(index, part, routes) for index, part in self._parts(announcements)]
        return [each for stale in await asyncio.gather(*calls) for each in stale]

    async def send_bulks(self, bulks: Mapping[int, Sequence[Bulk]]) -> set[str]:
        """Send connections the statuses of friends, given by partition index.

        Returns the ids of connections whose bulk is incomplete: a partition is away, or the status of a friend can't be known.
        """
        calls = [
            self._health.reach(index, [partial(_send, part) for part in _parts_of(found)])
            for index, found in bulks.items()
        ]
        answers = zip(bulks.values(), await asyncio.gather(*calls), strict=True)
        return {
            connection_id
            for found, withheld in answers
            for bulk in (found if withheld is None else chain.from_iterable(withheld))
            for _, connection_id in bulk.connections
        }

    async def resend(self) -> None:
        """Publish the unsent announcements, with the current statuses."""
        for users in self._partitions.split(self._unsent).values():
            receivers = {user: self._unsent.pop(user) for user in users}
            try:
                stale = await self.publish(_unsent_announcements(receivers, await self._friends.of(users)))
                failed = [each.user_id for each in stale]
            except Exception as error:
                if not is_transient(error):
                    raise
                failed = users
            for user in failed:
                self._unsent.setdefault(user, set()).update(receivers[user])

    def _keep_unsent(self, announcements: Sequence[Announcement], away: set[int]) -> None:
        for each in announcements:
            receivers = {receiver for receiver in each.receivers if self._partitions.index_of(receiver) in away}
            if not receivers or each.mode != "tell":
                continue
            if each.user_id in self._unsent or len(self._unsent) < MAX_UNSENT:
                self._unsent.setdefault(each.user_id, set()).update(receivers)

    async def tell_profiles(self, changes: Sequence[relay.ProfileChanged]) -> None:
        """Publish changed profiles to friends, to partners of recent conversations, and to the users' own connections."""
        friend_lists = await self._friends.of(change.user_id for change in changes)
        for change in changes:
            friends = friend_lists[change.user_id]
            receivers = {change.user_id, *friends.user_ids, *change.partners}.difference(friends.absent)
            own = {self._partitions.index_of(change.user_id)}
            routes, _ = await self._routes(receivers, own, pauses=len(receivers) > READ_PER_CALL)
            await publish_profile(self._partitions.of(change.user_id), change, gateways_of(sorted(routes), routes))

    def _parts(self, announcements: Sequence[Announcement]) -> Iterable[tuple[int, list[Announcement]]]:
        """Yield (partition index, a limited number of announcements of its users), so that no call takes long."""
        groups: dict[int, list[Announcement]] = {}
        for each in announcements:
            groups.setdefault(self._partitions.index_of(each.user_id), []).append(each)
        for index, group in groups.items():
            for part in parts_by_weight(group, lambda each: 1 + len(each.receivers), RECEIVERS_PER_CALL):
                yield index, part

    async def _publish_part(
        self, index: int, part: list[Announcement], routes: Mapping[str, list[str]]
    ) -> list[Announcement]:
        gateways = [gateways_of(each.receivers, routes) for each in part]
        metrics.EVENTS.inc(sum(len(receivers) for found in gateways for receivers in found.values()))
        jobs = [_job(each, found) for each, found in zip(part, gateways, strict=True)]
        stale, _ = await _run(self._partitions.at(index), jobs, [])
        return [part[place] for place in stale]

    async def _routes(
        self, user_ids: Iterable[str], own: set[int], *, pauses: bool
    ) -> tuple[dict[str, list[str]], set[int]]:
        """Return user → gateways for users with live connections, and the partitions that are away.

        The `own` partitions hold the statuses to publish: when one of them fails, this raises what redis raises.
        """
        groups = self._partitions.split(user_ids)
        calls = [
            read_routes(users, self._partitions.at(index), pauses=pauses)
            if index in own
            else self._reach_routes(index, users, pauses=pauses)
            for index, users in groups.items()
        ]
        answers = dict(zip(groups, await asyncio.gather(*calls), strict=True))
        routes = {user: found for part in answers.values() if part is not None for user, found in part.items()}
        return routes, {index for index, part in answers.items() if part is None}

    async def _reach_routes(self, index: int, users: list[str], *, pauses: bool) -> dict[str, list[str]] | None:
        """Do the same as `read_routes`. None: the partition is away."""
        parts = await self._health.reach(index, route_reads(users, pauses=pauses))
        return None if parts is None else dict(chain.from_iterable(part.items() for part in parts))


def _unsent_announcements(
    receivers: Mapping[str, set[str]], friend_lists: Mapping[str, FriendList]
) -> list[Announcement]:
    """Return the unsent announcements for receivers who are still friends."""
    return [
        Announcement(user, sorted(unsent.intersection(friend_lists[user].user_ids)), version=friend_lists[user].version)
        for user, unsent in receivers.items()
    ]


def _announcement(outcome: Outcome, friend_list: FriendList) -> Announcement:
    kinds = kinds_of(outcome.before, outcome.after)
    receivers = [*friend_list.user_ids, outcome.user_id] if kinds == ["status"] else friend_list.user_ids
    return Announcement(outcome.user_id, receivers, kinds, outcome.announcement, friend_list.version)


def _job(each: Announcement, gateways: Gateways) -> tuple[object, ...]:
    # Lua arrays can't contain nil.
    version = False if each.version is None else each.version
    return (each.user_id, each.kinds, each.due, version, gateways, each.mode, each.block)


def _parts_of(bulks: Sequence[Bulk]) -> Iterable[list[Bulk]]:
    return parts_by_weight(bulks, lambda bulk: bulk.weight, READ_PER_CALL)


async def _send(part: list[Bulk], partition: Partition) -> list[Bulk]:
    """Send bulks by one script. Returns those that were not sent."""
    _, withheld = await _run(partition, [], part)
    if len(part) == 1 and part[0].weight >= READ_PER_CALL:
        await asyncio.sleep(PAUSE_SECONDS)
    return [part[place] for place in withheld]


async def _run(
    client: Partition, jobs: Sequence[tuple[object, ...]], bulks: Sequence[Bulk]
) -> tuple[list[int], list[int]]:
    """Return the indexes of announcements with an outdated version, and of bulks that were not published."""
    stale, withheld = await _PUBLISH(client, msgpack_encoder.encode((TEMPLATES, jobs, bulks, VERSION_SECONDS)))
    return stale, withheld
