"""The meaning of a push service's answer (RFC 8030, sections 5 to 8)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final


class Disposition(StrEnum):
    """What to do with a push job."""

    ACCEPTED = "accepted"
    GONE = "gone"
    """The subscription ended: delete it."""
    RETRY = "retry"
    DEFERRED = "deferred"
    """No request was made: try again later."""
    REPEATED = "repeated"
    """The push service had accepted it before: done."""
    CANCELLED = "cancelled"
    """It is no longer wanted, because the message was read, deleted or muted meanwhile. `detail` is the verdict."""
    DROPPED = "dropped"
    KEY_FAULT = "key_fault"
    """Our VAPID key or token was refused. The operator must act; the subscription stays."""


class Reason(StrEnum):
    """Why a notification wasn't accepted. A label of the metrics of failures, retries and deferrals."""

    NONE = "none"
    GONE = "gone"
    KEY_REFUSED = "key_refused"
    TOO_LARGE = "too_large"
    REDIRECTED = "redirected"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    SERVICE_ERROR = "service_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    UNRESOLVED = "unresolved"
    ADDRESS_REFUSED = "address_refused"
    ENDPOINT_REFUSED = "endpoint_refused"
    KEY_UNKNOWN = "key_unknown"
    KEY_UNSET = "key_unset"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    INTERNAL = "internal"
    QUEUE_FULL = "queue_full"
    CIRCUIT_OPEN = "circuit_open"
    CLAIMED = "claimed"
    BACKEND_AWAY = "backend_away"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one request. `retry_after_seconds`: the wait that the service asked for, or None."""

    disposition: Disposition
    reason: Reason = Reason.NONE
    retry_after_seconds: float | None = None
    detail: str = ""


UNANSWERED: Final = {Reason.TIMEOUT, Reason.UNREACHABLE}
"""Reasons that count as failures of the service: a request was made, and the service didn't answer."""
UNASKED: Final = {
    Reason.UNRESOLVED,
    Reason.ADDRESS_REFUSED,
    Reason.ENDPOINT_REFUSED,
    Reason.KEY_UNKNOWN,
    Reason.KEY_UNSET,
    Reason.INTERNAL,
}
"""Reasons that say nothing about the service, because it got no request. (Users can invent hosts below an allowed domain.)"""

ACCEPTED = Outcome(Disposition.ACCEPTED)
REPEATED = Outcome(Disposition.REPEATED)
QUEUE_FULL = Outcome(Disposition.DEFERRED, Reason.QUEUE_FULL)
CIRCUIT_OPEN = Outcome(Disposition.DEFERRED, Reason.CIRCUIT_OPEN)
CLAIMED = Outcome(Disposition.DEFERRED, Reason.CLAIMED)
BACKEND_AWAY = Outcome(Disposition.DEFERRED, Reason.BACKEND_AWAY)
KEY_UNKNOWN = Outcome(Disposition.DEFERRED, Reason.KEY_UNKNOWN)
KEY_UNSET = Outcome(Disposition.DROPPED, Reason.KEY_UNSET)
FAULT = Outcome(Disposition.RETRY, Reason.INTERNAL)
"""An error of ours. It is retried, because it may depend on the moment."""


def outcome_of(status: int, retry_after: str | None, now: datetime, detail: str = "") -> Outcome:
    """Return the meaning of an HTTP response.

    `retry_after` is the header of that name, `detail` a part of the body for the log.
    """
    detail = f"{status} {detail}".strip()
    if 200 <= status < 300:
        return ACCEPTED
    if status in {404, 410}:
        return Outcome(Disposition.GONE, Reason.GONE, detail=detail)
    if status in {401, 403}:
        return Outcome(Disposition.KEY_FAULT, Reason.KEY_REFUSED, detail=detail)
    if status == 429:
        return Outcome(Disposition.RETRY, Reason.THROTTLED, retry_after_of(retry_after, now), detail)
    if status >= 500:
        return Outcome(Disposition.RETRY, Reason.SERVICE_ERROR, retry_after_of(retry_after, now), detail)
    if status == 413:
        return Outcome(Disposition.DROPPED, Reason.TOO_LARGE, detail=detail)
    return Outcome(Disposition.DROPPED, Reason.REDIRECTED if 300 <= status < 400 else Reason.REJECTED, detail=detail)


def retry_after_of(header: str | None, now: datetime) -> float | None:
    """Return the seconds of a `Retry-After` header, which is a number or a date (RFC 9110, section 10.2.3); else None."""
    if header is None:
        return None
    if header.isascii() and header.strip().isdigit():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
