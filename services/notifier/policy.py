"""Whether a message that nobody seems to have got deserves a notification."""

from dataclasses import dataclass
from enum import StrEnum

from shared.protocol import relay


@dataclass(frozen=True, slots=True)
class Receiver:
    """What is known of a message's receiver now.

    `has_up_to`: the seq up to which some device has everything in the conversation. `blocked`: either side blocks the other.
    `reachable`: a connection lives that isn't known to have been silent since the message was written to it.
    """

    has_up_to: int
    blocked: bool
    reachable: bool


class Verdict(StrEnum):
    """Push, or why not."""

    PUSH = "push"
    DELIVERED = "delivered"
    BLOCKED = "blocked"
    REACHABLE = "reachable"
    EXPIRED = "expired"


def decide(message: relay.Undelivered, receiver: Receiver, *, now_ms: int, ttl_seconds: int) -> Verdict:
    """What to do about `message`. Read implies delivered; times are Unix ms."""
    if now_ms - message.created_at_ms >= ttl_seconds * 1000:
        return Verdict.EXPIRED
    if receiver.blocked:
        return Verdict.BLOCKED
    if receiver.has_up_to >= message.seq:
        return Verdict.DELIVERED
    return Verdict.REACHABLE if receiver.reachable else Verdict.PUSH
