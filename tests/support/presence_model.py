"""The rules of presence in Python: what `services/presence/lua/lease_rules.lua` must do, to compare it with.

All times are Unix milliseconds, except `seen`: Unix seconds, as in the contract's key.
"""

from dataclasses import dataclass, field
from typing import Final

from services.presence.rules import RANK, Change, Choose, Close, Doubt, Hold, Lose, Timing
from shared.protocol.payloads import Status

FOREVER: Final = 2**53


@dataclass(slots=True)
class UserPresence:
    """Everything known about one user.

    `leases`: connection → end. `chosen`: connection → (at, status). `closed`: connection → until when it stays closed.
    `seen`: last sign of life, or None.
    """

    leases: dict[str, int] = field(default_factory=dict)
    chosen: dict[str, tuple[int, Status]] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    seen: int | None = None


@dataclass(slots=True)
class RenewalFeed:
    """When a replica last consumed renewals, and the time from which an expired lease can be trusted."""

    heard: int = 0
    trusted: int = 0


def listen(feed: RenewalFeed, now: int, timing: Timing, *, listening: bool) -> int:
    """The time from which an expired lease can be trusted. `listening`: this replica consumes renewals at the moment.

    While the broker, Redis or all replicas are away, no lease is renewed: their users are not offline for that reason.
    """
    renewals_missing = now - feed.heard > timing.renewals_missing_ms
    trusted = now + timing.renewal_wait_ms if renewals_missing else feed.trusted
    if listening:
        feed.heard, feed.trusted = now, trusted
    return trusted


def effective(presence: UserPresence) -> Status:
    """The status that friends see. An expired lease counts until it is removed; friends are told at that moment."""
    statuses = [presence.chosen.get(connection, (0, "online"))[1] for connection in presence.leases]
    return max(statuses, key=RANK.__getitem__, default="offline")


def advance(presence: UserPresence, changes: list[Change], now: int, timing: Timing, trusted: int = 0) -> bool:
    """Apply `changes`, then remove expired leases. True when friends must be told the resulting status.

    Leases that end before `trusted` (see `listen`) are extended until then, except those of connections known to be gone.
    Friends are told when the status changed, and when an unknown connection ended: after Redis lost its data, friends may
    still show the user as online.
    """
    before = effective(presence)
    stray = False
    for change in changes:
        stray = _apply(presence, change, now, timing) or stray
    _expire(presence, now, timing, trusted)
    after = effective(presence)
    return before != after or (stray and after == "offline")


def _apply(presence: UserPresence, change: Change, now: int, timing: Timing) -> bool:
    """Apply one change. True when it ended a connection that was not known."""
    connection = change.connection_id
    if isinstance(change, Doubt):
        if connection in presence.leases:
            presence.leases[connection] = min(presence.leases[connection], change.at_ms + timing.grace_ms)
        return False
    if presence.closed.get(connection, 0) > now and not isinstance(change, Close):
        return False
    match change:
        case Hold(at_ms=at) | Choose(at_ms=at):
            if at + timing.lease_ms <= now:
                return False
            if connection not in presence.leases:
                _inherit(presence, connection, now)
            presence.leases[connection] = max(presence.leases.get(connection, 0), at + timing.lease_ms)
            if isinstance(change, Choose) and presence.chosen.get(connection, (0, "online"))[0] <= at:
                presence.chosen[connection] = (at, change.status)
            stray = False
        case Lose(at_ms=at, reconnect_ms=reconnect):
            stray = connection not in presence.leases
            presence.closed[connection] = now + timing.lease_ms
            ends = at + timing.grace_ms + reconnect
            presence.leases[connection] = min(presence.leases.get(connection, FOREVER), ends)
        case Close(at_ms=at):
            stray = connection not in presence.leases and presence.closed.get(connection, 0) <= now
            presence.closed[connection] = now + timing.lease_ms
            presence.leases.pop(connection, None)
            presence.chosen.pop(connection, None)
            _end_inheritance(presence)
    presence.seen = max(presence.seen or 0, at // 1000)
    return stray


def _inherit(presence: UserPresence, connection: str, now: int) -> None:
    """A device that comes back keeps the status of the lost connection, with the time 0, while that counts."""
    lost = [status for other, (_, status) in presence.chosen.items() if presence.closed.get(other, 0) > now]
    if lost:
        presence.chosen[connection] = (0, max(lost, key=RANK.__getitem__))


def _end_inheritance(presence: UserPresence) -> None:
    presence.chosen = {connection: entry for connection, entry in presence.chosen.items() if entry[0] != 0}


def _expire(presence: UserPresence, now: int, timing: Timing, trusted: int) -> None:
    """Remove expired leases. A user without another sign of life was last seen when the latest of them was renewed."""
    ended = {connection: end for connection, end in presence.leases.items() if end <= now}
    for connection in list(ended):
        if now < trusted and presence.closed.get(connection, 0) <= now:
            presence.leases[connection] = trusted
            del ended[connection]
        else:
            del presence.leases[connection]
            presence.chosen.pop(connection, None)
    if ended:
        _end_inheritance(presence)
    if ended and presence.seen is None:
        presence.seen = (max(ended.values()) - timing.lease_ms) // 1000
