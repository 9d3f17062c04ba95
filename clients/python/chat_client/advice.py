"""When to reconnect: pure functions of what happened, the number of the attempt, and a random number."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import Final

BASE_SECONDS: Final = 0.5
CAP_SECONDS: Final = 30.0
DRAIN_SPREAD_SECONDS: Final = 5.0
REFUSALS_BEFORE_STOP: Final = 3
REFUSED_BEFORE_STOP_SECONDS: Final = 120.0
"""A client that was connected retries refused tokens for this time, because a rotated key may not be known everywhere yet."""

Random = Callable[[], float]
"""Uniform in [0, 1)."""


class CloseCode(IntEnum):
    """Close codes of the protocol."""

    GOING_AWAY = 1001
    POLICY_VIOLATION = 1008
    FRAME_TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TOKEN_EXPIRED = 4401
    REPLACED = 4409


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next: stop permanently, or connect after `delay_seconds`, with a new token when `renew` is true."""

    reason: str
    delay_seconds: float = 0.0
    renew: bool = False
    stop: bool = False


def full_jitter(attempt: int, random: Random) -> float:
    """Return seconds, uniform between 0 and an exponential bound. Attempt 0 is the first retry.

    It spreads a crowd of clients best (M. Brooker, «Exponential Backoff And Jitter», AWS Architecture Blog, 2015).
    """
    return random() * min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(attempt, 16))


def after_close(code: int, attempt: int, random: Random) -> Advice:
    """Return the advice after an open connection ended. `attempt` counts short connections in a row."""
    if code == CloseCode.POLICY_VIOLATION:
        return Advice("protocol_violation", stop=True)
    if code == CloseCode.REPLACED:
        return Advice("replaced", stop=True)
    if code in {CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART}:
        return Advice("server_restart", random() * DRAIN_SPREAD_SECONDS)
    if code == CloseCode.TOKEN_EXPIRED:
        return Advice("token_expired", 0.0 if attempt == 0 else full_jitter(attempt, random), renew=True)
    return Advice("connection_lost", full_jitter(attempt, random))


def after_refusal(
    status: int | None,
    retry_after: float | None,
    attempt: int,
    refusals: int,
    random: Random,
    *,
    may_pass: bool = False,
) -> Advice:
    """Return the advice after a handshake that was answered with an HTTP `status`, or not at all (None).

    `refusals` counts answers of 401 in a row, including this one. `may_pass`: they don't stop the client yet.
    """
    if status == 403:
        return Advice("forbidden", stop=True)
    if status in {400, 431}:
        return Advice("bad_request", stop=True)
    if status == 401:
        if refusals >= REFUSALS_BEFORE_STOP and not may_pass:
            return Advice("unauthorized", stop=True)
        return Advice("unauthorized", 0.0 if refusals == 1 else full_jitter(attempt, random), renew=True)
    # Retry-After is a minimum: without added jitter, all clients that were refused together would return together.
    reason = "server_busy" if status in {429, 503} else "unreachable"
    return Advice(reason, (retry_after or 0.0) + full_jitter(attempt, random))


def parse_retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a `Retry-After` header (RFC 9110, section 10.2.3: seconds or a date); None when absent or invalid."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    if at.tzinfo is None:
        # «-0000» is UTC, too (RFC 5322, section 3.3).
        at = at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - (now or datetime.now(timezone.utc))).total_seconds())
