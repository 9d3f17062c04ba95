"""The rules of presence, as pure functions of (state, now).

`lua/leases.lua` follows them inside Redis, where a change must be atomic; a test holds the two equal. All times are Unix
milliseconds, except `seen`: Unix seconds, as the contract's key has it.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from shared.protocol.payloads import Status

RANK: Final[dict[Status, int]] = {"offline": 0, "away": 1, "online": 2, "busy": 3}
"""Of several devices the highest counts: busy > online > away."""
MAX_RENEWAL_AGE_MS: Final = 20_000
"""A renewal is at most this old: its queue drops older ones. Bounds what a gateway's slow clock can do."""

FOREVER: Final = 2**53

Kind = Literal["online", "offline", "status"]
"""Which event tells friends of a change: `user.online`, `user.offline`, `user.status`."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in milliseconds: a lease, the grace of a lost connection, and when an announcement is tried again."""

    lease_ms: int
    grace_ms: int
    retry_ms: int

    @property
    def deaf_ms(self) -> int:
        """When no replica listened for renewals for so long, they may have been lost."""
        return self.lease_ms // 6

    @property
    def patience_ms(self) -> int:
        """How long after such a time gateways are waited for: they renew three times a lease, here is a quarter of that more."""
        return self.lease_ms * 5 // 12


class Hold(msgspec.Struct, array_like=True, tag="hold", frozen=True):
    """The connection lived at `at_ms`: it connected, or was renewed."""

    connection_id: str
    at_ms: int


class Lose(msgspec.Struct, array_like=True, tag="lose", frozen=True):
    """The connection was lost at `at_ms`: it counts for the grace, whether or not we knew of it."""

    connection_id: str
    at_ms: int


class Close(msgspec.Struct, array_like=True, tag="close", frozen=True):
    """The connection was closed cleanly at `at_ms`: it counts no more."""

    connection_id: str
    at_ms: int


class Choose(msgspec.Struct, array_like=True, tag="choose", frozen=True):
    """The device chose a status at `at_ms`, which also shows that it lives."""

    connection_id: str
    at_ms: int
    status: Status


Change = Hold | Lose | Close | Choose


@dataclass(slots=True)
class Presence:
    """All that is known of one user.

    `leases`: connection → end. `chosen`: connection → (at, status). `closed`: connection → until when it stays closed.
    `seen`: last sign of life, or None.
    """

    leases: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, tuple[int, Status]] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    seen: int | None = None


@dataclass(slots=True)
class Hearing:
    """Whether renewals are heard: when a replica last listened for them, and from when on ended leases say something."""

    heard: int = 0
    trusted: int = 0


def listen(hearing: Hearing, now: int, timing: Timing, *, listening: bool) -> int:
    """From when on a lease that ended means that its connection did. `listening`: we hear renewals at this moment.

    While the broker, Redis or all replicas are away no lease is renewed: their users are not offline for that.
    """
    deaf = now - hearing.heard > timing.deaf_ms
    trusted = now + timing.patience_ms if deaf else hearing.trusted
    if listening:
        hearing.heard, hearing.trusted = now, trusted
    return trusted


def effective(presence: Presence) -> Status:
    """The status that friends see. A lease that has ended counts until it is taken away, which is when they are told."""
    statuses = [presence.chosen.get(connection, (0, "online"))[1] for connection in presence.leases]
    return max(statuses, key=RANK.__getitem__, default="offline")


def sign_of_life(at_ms: int, now: int) -> int:
    """When a connection was alive, by a gateway's clock that may be ahead of ours."""
    return min(at_ms, now)


def renewal(at_ms: int, now: int) -> int:
    """When a renewed connection was alive, by a gateway's clock that may be ahead of ours, or far behind."""
    return max(min(at_ms, now), now - MAX_RENEWAL_AGE_MS)


def advance(presence: Presence, changes: list[Change], now: int, timing: Timing, trusted: int = 0) -> bool:
    """Apply `changes`, then take ended leases away. True when friends are to be told of the status that results.

    Leases that end before `trusted` (see `listen`) are prolonged until then, save those of connections known to be gone.
    They are told when it changed, and when a connection ended that nobody had heard of: after Redis lost its memory,
    friends may still show the user as online.
    """
    before = effective(presence)
    stray = False
    for change in changes:
        stray = _apply(presence, change, now, timing) or stray
    _expire(presence, now, timing, trusted)
    after = effective(presence)
    return before != after or (stray and after == "offline")


def kinds_of(before: Status, after: Status) -> list[Kind]:
    """The events that tell friends of a change.

    A user that comes online with a status of its own, both within one cycle, is told as if they had come apart.
    """
    if after == "offline":
        return ["offline"]
    if before != "offline":
        return ["status"]
    return ["online"] if after == "online" else ["online", "status"]


def _apply(presence: Presence, change: Change, now: int, timing: Timing) -> bool:
    """Apply one change. True when it ended a connection that was not known."""
    connection = change.connection_id
    if presence.closed.get(connection, 0) > now and not isinstance(change, Close):
        return False
    match change:
        case Hold(at_ms=at) | Choose(at_ms=at):
            if at + timing.lease_ms <= now:
                return False
            presence.leases[connection] = max(presence.leases.get(connection, 0), at + timing.lease_ms)
            if isinstance(change, Choose) and presence.chosen.get(connection, (0, "online"))[0] <= at:
                presence.chosen[connection] = (at, change.status)
            stray = False
        case Lose(at_ms=at):
            stray = connection not in presence.leases
            presence.closed[connection] = now + timing.lease_ms
            presence.leases[connection] = min(presence.leases.get(connection, FOREVER), at + timing.grace_ms)
        case Close(at_ms=at):
            stray = connection not in presence.leases and presence.closed.get(connection, 0) <= now
            presence.closed[connection] = now + timing.lease_ms
            presence.leases.pop(connection, None)
            presence.chosen.pop(connection, None)
    presence.seen = max(presence.seen or 0, at // 1000)
    return stray


def _expire(presence: Presence, now: int, timing: Timing, trusted: int) -> None:
    """Take ended leases away. A user that nobody saw otherwise was last seen when the latest of them was renewed."""
    ended = {connection: end for connection, end in presence.leases.items() if end <= now}
    for connection in list(ended):
        if now < trusted and presence.closed.get(connection, 0) <= now:
            presence.leases[connection] = trusted
            del ended[connection]
        else:
            del presence.leases[connection]
            presence.chosen.pop(connection, None)
    if ended and presence.seen is None:
        presence.seen = (max(ended.values()) - timing.lease_ms) // 1000
