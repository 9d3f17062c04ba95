"""Whether a message that nobody seems to have got deserves a notification: what is known of its receiver, and the rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.protocol import relay
from shared.redis import Script, Shards

SILENCE_SECONDS: Final = 3600
"""How long a connection that was silent counts as such for one message: longer than most retries take."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What is known of a message's receiver now.

    `has_up_to`: the seq up to which some device has everything in the conversation. `blocked`: either side blocks the other.
    `reachable`: some connection is open that hasn't been reported as silent since the message was written to it.
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


class Receivers:
    """What Redis knows of receivers, for a whole batch in one round trip to each server."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._script = Script("services.notifier", "receivers")

    async def of(self, messages: Sequence[relay.Undelivered]) -> list[Receiver]:
        """The receiver of each message, in order; notes the connections that the messages report as silent.

        Raises what redis-py raises.
        """
        found: dict[int, Receiver] = {}
        for shard, places in self._by_shard(messages).items():
            arguments: list[str | bytes | int | float] = [SILENCE_SECONDS]
            for place in places:
                message = messages[place]
                arguments += [message.receiver_id, message.sender_id, message.conversation_id, message.message_id]
                arguments.append(",".join(message.silent_connections))
            answers = await self._script(self._shards.at(shard), *arguments)
            for place, (seq, blocked, reachable) in zip(places, answers, strict=True):
                found[place] = Receiver(int(seq), bool(blocked), bool(reachable))
        return [found[place] for place in range(len(messages))]

    def _by_shard(self, messages: Sequence[relay.Undelivered]) -> dict[int, list[int]]:
        groups: dict[int, list[int]] = {}
        for place, message in enumerate(messages):
            groups.setdefault(self._shards.index_of(message.receiver_id), []).append(place)
        return groups
