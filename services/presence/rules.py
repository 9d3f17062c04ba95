"""The rules of presence that don't need the state in Redis, as pure functions; and the types of changes.

`lua/lease_rules.lua` applies changes to the state, atomically. `tests/support/presence_model.py` holds the same rules in
Python; a test compares the two. All times are Unix milliseconds.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from shared.protocol.payloads import Status

RANK: Final[dict[Status, int]] = {"offline": 0, "away": 1, "online": 2, "busy": 3}
"""Of several devices' statuses the highest counts: busy > online > away."""
MAX_RENEWAL_AGE_MS: Final = 20_000
"""Older renewals have been dropped by their queue. This limits the effect of a gateway's slow clock."""

Kind = Literal["online", "offline", "status"]
"""The event that reports a change to friends: `user.online`, `user.offline`, `user.status`."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in milliseconds: a lease, the grace of a lost connection, and the time after which an announcement is retried."""

    lease_ms: int
    grace_ms: int
    retry_ms: int

    @property
    def renewals_missing_ms(self) -> int:
        """Return the time without consumed renewals after which some may have been lost."""
        return self.lease_ms // 6

    @property
    def renewal_wait_ms(self) -> int:
        """Return how long gateways get to renew after such a gap: their renewal period and a quarter of it."""
        return self.lease_ms * 5 // 12


class Hold(msgspec.Struct, array_like=True, tag="hold", frozen=True):
    """The connection was alive at `at_ms`: it connected, or was renewed."""

    connection_id: str
    at_ms: int


class Lose(msgspec.Struct, array_like=True, tag="lose", frozen=True):
    """The connection was lost at `at_ms`: it counts until the grace ends, even if presence didn't know it before.

    `reconnect_ms`: the time to reconnect, on top of the grace.
    """

    connection_id: str
    at_ms: int
    reconnect_ms: int = 0


class Close(msgspec.Struct, array_like=True, tag="close", frozen=True):
    """The connection was closed cleanly at `at_ms`: it no longer counts."""

    connection_id: str
    at_ms: int


class Choose(msgspec.Struct, array_like=True, tag="choose", frozen=True):
    """The device set a status at `at_ms`. That also shows that it is alive."""

    connection_id: str
    at_ms: int
    status: Status


class Doubt(msgspec.Struct, array_like=True, tag="doubt", frozen=True):
    """Another gateway reported at `at_ms` that the connection's gateway died.

    It counts until the grace ends, or longer if a renewal comes.
    """

    connection_id: str
    at_ms: int


Change = Hold | Lose | Close | Choose | Doubt


def sign_of_life(at_ms: int, now: int) -> int:
    """Return when a connection was alive. The gateway's clock may be ahead of ours."""
    return min(at_ms, now)


def renewal(at_ms: int, now: int) -> int:
    """Return when a renewed connection was alive. The gateway's clock may be ahead of ours, or far behind."""
    return max(min(at_ms, now), now - MAX_RENEWAL_AGE_MS)


def kinds_of(before: Status, after: Status) -> list[Kind]:
    """Return the events that report a change to friends.

    When a user comes online and sets a status within one cycle, friends get both events, as in two cycles.
    """
    if after == "offline":
        return ["offline"]
    if before != "offline":
        return ["status"]
    return ["online"] if after == "online" else ["online", "status"]
