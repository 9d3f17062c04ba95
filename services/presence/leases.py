"""The leases of all connections, in Redis: changes go in, what friends are to be told comes out."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from services.presence.rules import Change, Timing
from shared.protocol.codec import msgpack_encoder
from shared.protocol.payloads import Status
from shared.redis import Script, Shards

Clock = Callable[[], int]
"""Now, in Unix milliseconds."""

USERS_PER_CALL: Final = 500
"""Bounds how long one script keeps a Redis server busy: a user costs it some 5 µs."""

_LEASES: Final = Script("services.presence", "state", "leases")
_OVERDUE: Final = Script("services.presence", "state", "overdue")


def system_clock() -> int:
    """The clock of this machine."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a user. `announcement` is empty when friends needn't be told; `members` of the
    circle: None when they aren't cached.
    """

    user_id: str
    before: Status
    after: Status
    announcement: str
    version: str
    members: list[str] | None


class Leases:
    """Runs the rules where the state is."""

    def __init__(self, shards: Shards, timing: Timing, clock: Clock = system_clock) -> None:
        self._shards = shards
        self._retry_ms = timing.retry_ms
        self._durations = (timing.lease_ms, timing.grace_ms, timing.retry_ms, timing.deaf_ms, timing.patience_ms)
        self.clock = clock

    async def advance(self, changes: Mapping[str, list[Change]], curious: set[str]) -> list[Outcome]:
        """Apply changes by user. An outcome for each user that changed, and for the `curious`, who want to know their friends.

        Raises RedisError; what was applied then is announced by `overdue`, and applying it again changes nothing.
        """
        calls = []
        for index, users in self._shards.split(changes).items():
            for first in range(0, len(users), USERS_PER_CALL):
                part = users[first : first + USERS_PER_CALL]
                calls.append(self._run(index, [(user, changes[user], user in curious) for user in part]))
        return [outcome for _, outcomes in await asyncio.gather(*calls) for outcome in outcomes]

    async def sweep(self, server: int, most: int, *, listening: bool) -> tuple[bool, list[Outcome]]:
        """Take ended leases away, of up to `most` users on a server. Each is taken by one caller only.

        `listening`: this replica hears renewals. While none does, leases don't end by themselves.
        Returns whether there may be more, and what became of the users.
        """
        swept, outcomes = await self._run(server, [], most, listening)
        return swept >= most, outcomes

    async def overdue(self, server: int, most: int) -> list[Outcome]:
        """Changes that nobody announced in time, up to `most` on a server; nobody else gets them for a while."""
        rows = await _OVERDUE(self._shards.at(server), self.clock(), self._retry_ms, most)
        return [_outcome(row) for row in rows]

    async def _run(
        self, index: int, users: Iterable[tuple[str, list[Change], bool]], sweep: int = 0, listening: bool = False
    ) -> tuple[int, list[Outcome]]:
        job = (self.clock(), self._durations, list(users), sweep, listening)
        swept, rows = await _LEASES(self._shards.at(index), msgpack_encoder.encode(job))
        return swept, [_outcome(row) for row in rows]


def _outcome(row: list[Any]) -> Outcome:
    user, before, after, announcement, version, members = row
    return Outcome(
        user.decode(),
        cast(Status, before.decode()),
        cast(Status, after.decode()),
        announcement.decode(),
        version.decode(),
        None if members is None else [member.decode() for member in members],
    )
