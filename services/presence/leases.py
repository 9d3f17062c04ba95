"""The leases of all connections, in Redis. Applies changes, and returns the transitions that friends must be told."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from services.presence.friend_cache import CachedList
from services.presence.rules import Change, Timing
from shared.protocol.codec import msgpack_encoder
from shared.protocol.payloads import Status
from shared.redis import Partitions, Script

Clock = Callable[[], int]
"""Now, in Unix milliseconds."""

USERS_PER_CALL: Final = 500
"""Limits how long one script keeps a Redis server busy: a user costs it about 5 µs."""
CONNECTED_PER_CALL: Final = 50
"""The same for users whose friends are wanted: a list of thousands takes a millisecond or two."""

_BEGIN: Final = Script("services.presence", "begin")
_LEASES: Final = Script("services.presence", "state", "lease_rules", "leases")
_OVERDUE: Final = Script("services.presence", "state", "overdue")


def system_clock() -> int:
    """Return the time of this machine."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """A user's status before and after a change. `announcement`: its due time in Unix milliseconds, or empty."""

    user_id: str
    before: Status
    after: Status
    announcement: str
    friends: CachedList


class Swept(NamedTuple):
    """The result of a sweep.

    `more`: there may be more to do. `next_at`: when something is due next (Unix milliseconds); None when nothing waits.
    """

    more: bool
    outcomes: list[Outcome]
    next_at: float | None


class Leases:
    """Runs the lease rules as scripts inside Redis, where the state is."""

    def __init__(self, partitions: Partitions, timing: Timing, clock: Clock = system_clock) -> None:
        self._partitions = partitions
        self._retry_ms = timing.retry_ms
        self.durations = (
            timing.lease_ms,
            timing.grace_ms,
            timing.retry_ms,
            timing.renewals_missing_ms,
            timing.renewal_wait_ms,
        )
        """Durations in milliseconds, as `begin_rules` of `lua/lease_rules.lua` takes them."""
        self.clock = clock

    async def begin(self, server: int) -> None:
        """Note at start that the present data of a partition is complete. Raises RedisError."""
        await _BEGIN(self._partitions.at(server))

    async def advance(self, changes: Mapping[str, list[Change]], want_friends: set[str]) -> list[Outcome]:
        """Apply changes by user. Returns an outcome for each user whose status changed, and for each user of `want_friends`.

        Raises RedisError. Changes applied before the error are announced by `overdue`; applying them again changes nothing.
        """
        calls = []
        size = CONNECTED_PER_CALL if want_friends else USERS_PER_CALL
        for index, users in self._partitions.split(changes).items():
            for first in range(0, len(users), size):
                part = users[first : first + size]
                calls.append(self._run(index, [(user, changes[user], user in want_friends) for user in part]))
        return [outcome for _, outcomes, _ in await asyncio.gather(*calls) for outcome in outcomes]

    @property
    def soonest_seconds(self) -> float:
        """Return the shortest time in which a new lease or announcement can be due, unless the grace period is 0."""
        _, grace_ms, retry_ms, *_ = self.durations
        return min(grace_ms, retry_ms) / 1000

    async def sweep(self, server: int, most: int, *, listening: bool) -> Swept:
        """Remove expired leases of up to `most` users on a partition. Each lease is removed by one caller only.

        `listening`: this replica consumes renewals. While no replica does, leases don't expire.
        """
        swept, outcomes, next_at = await self._run(server, [], most, listening)
        return Swept(swept >= most, outcomes, None if next_at is None else float(next_at))

    async def overdue(self, server: int, most: int) -> list[Outcome]:
        """Claim up to `most` changes that were not announced in time. No other caller gets them until they are due again."""
        rows = await _OVERDUE(self._partitions.at(server), self.clock(), self._retry_ms, most)
        return [_outcome(row) for row in rows]

    async def _run(
        self, index: int, users: Iterable[tuple[str, list[Change], bool]], sweep: int = 0, listening: bool = False
    ) -> tuple[int, list[Outcome], bytes | None]:
        job = (self.clock(), self.durations, list(users), sweep, listening)
        swept, rows, next_at = await _LEASES(self._partitions.at(index), msgpack_encoder.encode(job))
        return swept, [_outcome(row) for row in rows], next_at


def _outcome(row: list[Any]) -> Outcome:
    user, before, after, announcement, version, members = row
    return Outcome(
        user.decode(),
        cast(Status, before.decode()),
        cast(Status, after.decode()),
        announcement.decode(),
        CachedList.decoded(version, members),
    )
