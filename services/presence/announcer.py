"""Telling friends: who is to hear of what, through which gateways.

Routes are read on the receivers' servers, statuses on the server of the user they are about, in the same script that
publishes them. `docs/decisions` says why that order is right.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import msgspec

from services.presence import metrics
from services.presence.friends import VERSION_SECONDS, Circle, Friends
from services.presence.leases import Outcome
from services.presence.outage import TRANSIENT_ERRORS
from services.presence.rules import Kind, kinds_of
from services.presence.servers import Servers
from services.presence.templates import TEMPLATES
from shared.protocol.codec import msgpack_encoder
from shared.redis import Script, Server, Shards

ATTEMPTS: Final = 5
"""How often friends that change all the time are read again; then the overdue announcements take over."""
RECEIVERS_PER_CALL: Final = 2_000
"""Bounds how long one script keeps a Redis server busy: a receiver or a friend in a bulk costs it about 1 µs."""
MAX_OWED: Final = 50_000
"""Users whose status is owed to friends on servers that are away. Gateways ask anew for their connections anyway."""

_ROUTES: Final = Script("services.presence", "routes")
_PUBLISH: Final = Script("services.presence", "state", "publish")

Gateways = dict[str, list[str]]
"""Gateway id → the receiving users that it has connections of."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something to say of one user to others. Empty `kinds`: whatever is the case. `due`: see `Outcome.announcement`.

    `version`: published only while it is the version of the user's friends; None: in any case.
    `mode`: "tell" the truth; "hide" it: say that the user is offline; or "part" the user from one viewer, in one step, unless
    they are parted: what was read of the user's friends is void, the viewer sees it offline from now on, and a receiver that
    saw it online is told.
    `parting`: the viewer, and when the block was heard of, in Unix seconds.
    """

    user_id: str
    receivers: Sequence[str]
    kinds: Sequence[Kind] = ()
    due: str = ""
    version: str | None = None
    mode: Literal["tell", "hide", "part"] = "tell"
    parting: tuple[str, int] | None = None


class Bulk(msgspec.Struct, array_like=True, frozen=True):
    """One of the `parts` of a connection's `status.bulk`: at most 500 friends, all of whose keys lie on one server.

    `absent` are those of them whom the user sees as absent, whatever is true.
    """

    gateway_id: str
    connection_id: str
    user_id: str
    friends: list[str]
    absent: list[str]
    parts: int


class Announcer:
    """Publishes presence events to the gateways. Receivers whose server is away are told later: `settle`."""

    def __init__(self, shards: Shards, friends: Friends, servers: Servers) -> None:
        self._shards = shards
        self._friends = friends
        self._servers = servers
        self._owed: dict[str, set[str]] = {}

    async def announce(self, outcomes: Iterable[Outcome], circles: dict[str, Circle]) -> None:
        """Tell friends of changes, and a user's own connections when its status changed.

        Raises what redis and asyncpg raise.
        """
        pending = {outcome.user_id: outcome for outcome in outcomes if outcome.announcement}
        metrics.TRANSITIONS.inc(len(pending))
        announcements = [_announcement(outcome, circles[user]) for user, outcome in pending.items()]
        for _ in range(ATTEMPTS):
            stale = await self.publish(announcements)
            if not stale:
                return
            circles = await self._friends.of(announcement.user_id for announcement in stale)
            announcements = [_announcement(pending[user], circle) for user, circle in circles.items()]
            # A friend that was lost in between has seen the user online, and would do so for ever.
            lost = ((each.user_id, set(each.receivers).difference(circles[each.user_id].user_ids)) for each in stale)
            gone = [(user, friends) for user, friends in lost if friends and pending[user].after == "offline"]
            announcements += [Announcement(user, sorted(friends), mode="hide") for user, friends in gone]

    async def circles(self, outcomes: Iterable[Outcome]) -> dict[str, Circle]:
        """User → friends of the users of some outcomes, read where the outcome doesn't have them."""
        known: dict[str, Circle] = {}
        missing: dict[str, str] = {}
        for outcome in outcomes:
            if outcome.members is None:
                missing[outcome.user_id] = outcome.version
            else:
                known[outcome.user_id] = Circle.of_members(outcome.version, outcome.members)
        return known | await self._friends.load(missing)

    async def answer(self, user_ids: Iterable[str]) -> None:
        """Tell users' own connections what their status is."""
        await self.publish([Announcement(user, [user], ["status"]) for user in user_ids])

    async def publish(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Publish. Returns those whose version is no longer right."""
        if not announcements:
            return []
        own = {self._shards.index_of(each.user_id) for each in announcements}
        routes, away = await self._routes({receiver for each in announcements for receiver in each.receivers}, own)
        if away:
            self._owe(announcements, away)
        calls = [self._publish_part(index, part, routes) for index, part in self._parts(announcements)]
        return [each for stale in await asyncio.gather(*calls) for each in stale]

    async def send_bulks(self, bulks: Mapping[int, Sequence[Bulk]]) -> set[str]:
        """Send connections the statuses of friends that lie on server index → …

        Returns the ids of connections that lack something, because a server is away.
        """
        calls = [self._servers.reach(index, partial(self._send_parts, found)) for index, found in bulks.items()]
        answers = zip(bulks.values(), await asyncio.gather(*calls), strict=True)
        return {bulk.connection_id for found, sent in answers if not sent for bulk in found}

    async def settle(self) -> None:
        """Tell what is owed, as it is by now."""
        for users in self._shards.split(self._owed).values():
            owed = {user: self._owed.pop(user) for user in users}
            try:
                stale = await self.publish(_debts(owed, await self._friends.of(users)))
                unsettled = [each.user_id for each in stale]
            except TRANSIENT_ERRORS:
                unsettled = users
            for user in unsettled:
                self._owed.setdefault(user, set()).update(owed[user])

    def _owe(self, announcements: Sequence[Announcement], away: set[int]) -> None:
        for each in announcements:
            receivers = {receiver for receiver in each.receivers if self._shards.index_of(receiver) in away}
            if not receivers or each.mode != "tell":
                continue
            if each.user_id in self._owed or len(self._owed) < MAX_OWED:
                self._owed.setdefault(each.user_id, set()).update(receivers)

    async def _send_parts(self, bulks: Sequence[Bulk], client: Server) -> bool:
        part: list[Bulk] = []
        weight = 0
        for bulk in bulks:
            part.append(bulk)
            weight += 1 + len(bulk.friends) + len(bulk.absent)
            if weight >= RECEIVERS_PER_CALL:
                await _run(client, [], part)
                part, weight = [], 0
        if part:
            await _run(client, [], part)
        return True

    def _parts(self, announcements: Sequence[Announcement]) -> Iterable[tuple[int, list[Announcement]]]:
        """(server, some of the announcements of its users), so that no call takes long."""
        parts: dict[int, list[Announcement]] = {}
        weights: dict[int, int] = {}
        for each in announcements:
            index = self._shards.index_of(each.user_id)
            parts.setdefault(index, []).append(each)
            weights[index] = weights.get(index, 0) + 1 + len(each.receivers)
            if weights[index] >= RECEIVERS_PER_CALL:
                yield index, parts.pop(index)
                del weights[index]
        yield from parts.items()

    async def _publish_part(
        self, index: int, part: list[Announcement], routes: Mapping[str, list[str]]
    ) -> list[Announcement]:
        gateways = [_gateways(each.receivers, routes) for each in part]
        metrics.EVENTS.inc(sum(len(receivers) for found in gateways for receivers in found.values()))
        jobs = [_job(each, found) for each, found in zip(part, gateways, strict=True)]
        stale = await _run(self._shards.at(index), jobs, [])
        return [part[place] for place in stale]

    async def _routes(self, user_ids: Iterable[str], own: set[int]) -> tuple[dict[str, list[str]], set[int]]:
        """User → gateways, of those with live connections; and servers that are away, save the `own` ones: without
        these there is nothing to say. Raises what redis raises of those.
        """
        groups = self._shards.split(user_ids)
        calls = [
            _read_routes(users, self._shards.at(index))
            if index in own
            else self._servers.reach(index, partial(_read_routes, users))
            for index, users in groups.items()
        ]
        answers = dict(zip(groups, await asyncio.gather(*calls), strict=True))
        routes = {user: found for part in answers.values() if part is not None for user, found in part.items()}
        return routes, {index for index, part in answers.items() if part is None}


async def _read_routes(users: list[str], client: Server) -> dict[str, list[str]]:
    routes: dict[str, list[str]] = {}
    for first in range(0, len(users), RECEIVERS_PER_CALL):
        part = users[first : first + RECEIVERS_PER_CALL]
        for place, *gateways in await _ROUTES(client, *part):
            routes[part[place - 1]] = [gateway.decode() for gateway in gateways]
    return routes


def _debts(owed: Mapping[str, set[str]], circles: Mapping[str, Circle]) -> list[Announcement]:
    """What is owed to those who still are friends."""
    return [
        Announcement(user, sorted(receivers.intersection(circles[user].user_ids)), version=circles[user].version)
        for user, receivers in owed.items()
    ]


def _announcement(outcome: Outcome, circle: Circle) -> Announcement:
    kinds = kinds_of(outcome.before, outcome.after)
    receivers = [*circle.user_ids, outcome.user_id] if kinds == ["status"] else circle.user_ids
    return Announcement(outcome.user_id, receivers, kinds, outcome.announcement, circle.version)


def _gateways(receivers: Sequence[str], routes: Mapping[str, list[str]]) -> Gateways:
    gateways: Gateways = {}
    for receiver in receivers:
        for gateway in routes.get(receiver, ()):
            gateways.setdefault(gateway, []).append(receiver)
    return gateways


def _job(each: Announcement, gateways: Gateways) -> tuple[object, ...]:
    # Lua's arrays can't hold nil.
    version = False if each.version is None else each.version
    return (each.user_id, each.kinds, each.due, version, gateways, each.mode, each.parting)


async def _run(client: Server, jobs: Sequence[tuple[object, ...]], bulks: Sequence[Bulk]) -> list[int]:
    places: list[int] = await _PUBLISH(client, msgpack_encoder.encode((TEMPLATES, jobs, bulks, VERSION_SECONDS)))
    return places
