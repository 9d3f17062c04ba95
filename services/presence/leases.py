"""The leases of all connections, in Redis: changes go in, and transitions that friends must be told come out."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from services.presence.rules import Change, Timing
from shared.protocol.codec import msgpack_encoder
from shared.protocol.payloads import Status
from shared.redis import Partitions, Script

Clock = Callable[[], int]
"""Now, in Unix milliseconds."""

USERS_PER_CALL: Final = 500
"""Bounds how long one script keeps a Redis server busy: a user costs it some 5 µs."""

_BEGIN: Final = Script("services.presence", "begin")
_LEASES: Final = Script("services.presence", "state", "leases")
_OVERDUE: Final = Script("services.presence", "state", "overdue")


def system_clock() -> int:
    """The clock of this machine."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """A user's status before and after a change. `announcement`: its due time in Unix milliseconds, or empty.

    `version` and `members`: the friend list; members are None when it isn't cached.
    """

    user_id: str
    before: Status
    after: Status
    announcement: str
    version: str
    members: list[str] | None


class Leases:
    """Runs the rules inside Redis, where the state is."""

    def __init__(self, partitions: Partitions, timing: Timing, clock: Clock = system_clock) -> None:
        self._partitions = partitions
        self._retry_ms = timing.retry_ms
        self._durations = (
            timing.lease_ms,
            timing.grace_ms,
            timing.retry_ms,
            timing.renewals_missing_ms,
            timing.renewal_wait_ms,
        )
        self.clock = clock

    async def begin(self, server: int) -> None:
        """A replica starts: take what a partition has for all that there is. Raises RedisError."""
        await _BEGIN(self._partitions.at(server))

    async def advance(self, changes: Mapping[str, list[Change]], want_friends: set[str]) -> list[Outcome]:
        """Apply changes by user. Returns an outcome for each user whose status changed, and for each user of `want_friends`.

        Raises RedisError. Changes applied before the error are announced by `overdue`; applying them again changes nothing.
        """
        calls = []
        for index, users in self._partitions.split(changes).items():
            for first in range(0, len(users), USERS_PER_CALL):
                part = users[first : first + USERS_PER_CALL]
                calls.append(self._run(index, [(user, changes[user], user in want_friends) for user in part]))
        return [outcome for _, outcomes in await asyncio.gather(*calls) for outcome in outcomes]

    async def sweep(self, server: int, most: int, *, listening: bool) -> tuple[bool, list[Outcome]]:
        """Remove expired leases of up to `most` users on a partition. Each lease is removed by one caller only.

        `listening`: this replica consumes renewals. While no replica does, leases don't expire.
        Returns whether there may be more, and the outcomes.
        """
        swept, outcomes = await self._run(server, [], most, listening)
        return swept >= most, outcomes

    async def overdue(self, server: int, most: int) -> list[Outcome]:
        """Up to `most` changes that were not announced in time. No other caller gets them until they are due again."""
        rows = await _OVERDUE(self._partitions.at(server), self.clock(), self._retry_ms, most)
        return [_outcome(row) for row in rows]

    async def _run(
        self, index: int, users: Iterable[tuple[str, list[Change], bool]], sweep: int = 0, listening: bool = False
    ) -> tuple[int, list[Outcome]]:
        job = (self.clock(), self._durations, list(users), sweep, listening)
        swept, rows = await _LEASES(self._partitions.at(index), msgpack_encoder.encode(job))
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
