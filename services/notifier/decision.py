"""Decides whether an undelivered message gets a push: what is known of its receiver (`Receivers`), and the rule (`decide`)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import structlog

from services.notifier.push_settings import DEFAULTS, PushSettings, PushSettingsStore
from shared.protocol import keys, relay
from shared.redis import Partitions, Script
from shared.retry import is_transient, retry_until_available

log = structlog.get_logger(__name__)

SILENCE_SECONDS: Final = 3600
"""How long it is remembered that a connection was silent for one message: longer than most retries take."""
AWAY_SECONDS: Final = 5.0
"""How long a Redis server that failed is not asked again, so that its time-outs don't block other receivers."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Unread messages of the receiver: in the conversation, and in all conversations."""

    conversation: int
    total: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """What is currently known of a message and its receiver."""

    has_up_to: int = 0
    """Messages up to this seq need no push: a device has them, or the user has read them."""
    blocked: bool = False
    """One of the two users blocks the other."""
    reachable: bool = False
    """There is an open connection with an active client, and no report since the message was written that it is silent."""
    message_deleted: bool = False
    message_text: str | None = None
    """The beginning of the message's current text; None when Redis doesn't have it."""
    unread: Unread = field(default_factory=lambda: Unread(1, 1))
    revoked_until: float = 0.0
    """Tokens issued up to this time (Unix seconds), and devices registered with them, are refused; 0 when there is none."""
    settings: PushSettings = DEFAULTS
    conversation_muted_until: datetime | None = None


class Verdict(StrEnum):
    """The decision: push, or the reason why not."""

    PUSH = "push"
    DELIVERED = "delivered"
    DELETED = "deleted"
    BLOCKED = "blocked"
    REACHABLE = "reachable"
    EXPIRED = "expired"
    MUTED = "muted"
    CONVERSATION_MUTED = "conversation_muted"
    QUIET_HOURS = "quiet_hours"
    UNSUBSCRIBED = "unsubscribed"
    """The device is no longer registered, or its user was revoked. `decide` knows no devices: `delivery.recheck` sets it."""


SILENCED: Final = frozenset({Verdict.MUTED, Verdict.CONVERSATION_MUTED, Verdict.QUIET_HOURS})
"""Verdicts by which the receiver wants no push."""


def decide(message: relay.Undelivered, receiver: Receiver, *, now: datetime, ttl_seconds: int) -> Verdict:
    """Decide about `message` at `now` (UTC). `DELIVERED` also covers a message that was read."""
    verdict = Verdict.PUSH
    if now.timestamp() - message.created_at_ms / 1000 >= ttl_seconds:
        verdict = Verdict.EXPIRED
    elif receiver.message_deleted:
        verdict = Verdict.DELETED
    elif receiver.blocked:
        verdict = Verdict.BLOCKED
    elif receiver.has_up_to >= message.seq:
        verdict = Verdict.DELIVERED
    elif receiver.reachable:
        verdict = Verdict.REACHABLE
    elif _lasts(receiver.settings.muted_until, now):
        verdict = Verdict.MUTED
    elif _lasts(receiver.conversation_muted_until, now):
        verdict = Verdict.CONVERSATION_MUTED
    elif receiver.settings.quiet_hours is not None and receiver.settings.quiet_hours.cover(now):
        verdict = Verdict.QUIET_HOURS
    return verdict


def _lasts(until: datetime | None, now: datetime) -> bool:
    return until is not None and until > now


class Receivers:
    """Reads what Redis and PostgreSQL know of receivers, in one round trip to each server for a whole batch.

    The same round trip records the connections that did not confirm the messages.
    """

    def __init__(self, partitions: Partitions, settings: PushSettingsStore) -> None:
        self._partitions = partitions
        self._settings = settings
        self._script = Script("services.notifier", "receivers")
        self._away_until: dict[int, float] = {}

    def partition_of(self, message: relay.Undelivered) -> int:
        """Return the index of the Redis partition of a message's receiver."""
        return self._partitions.index_of(message.receiver_id)

    async def of(self, partition: int, messages: Sequence[relay.Undelivered]) -> list[Receiver] | None:
        """Return the receiver of each message, in order; None when `partition`, which holds all of them, is away.

        While PostgreSQL is away, it waits.
        """
        answers, settings = await asyncio.gather(self._ask(partition, messages), self._settings_of(messages))
        if answers is None:
            return None
        return [_receiver(answer, *known) for answer, known in zip(answers, settings, strict=True)]

    async def _ask(self, partition: int, messages: Sequence[relay.Undelivered]) -> list[Any] | None:
        now = time.monotonic()
        if now < self._away_until.get(partition, 0.0):
            return None
        arguments: list[str | bytes | int | float] = [SILENCE_SECONDS]
        for message in messages:
            arguments += [message.receiver_id, message.sender_id, message.conversation_id, message.message_id]
            arguments.append(",".join(message.silent_connections))
        if partition in self._away_until:
            # One batch tries whether the server is back; the others don't wait for its time-out.
            self._away_until[partition] = now + AWAY_SECONDS
        try:
            answers: list[Any] = await self._script(self._partitions.at(partition), *arguments)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("partition.away", partition=partition, error=repr(error))
            self._away_until[partition] = time.monotonic() + AWAY_SECONDS
            return None
        self._away_until.pop(partition, None)
        return answers

    async def _settings_of(self, messages: Sequence[relay.Undelivered]) -> list[tuple[PushSettings, datetime | None]]:
        pairs = [(message.receiver_id, message.conversation_id) for message in messages]
        return await retry_until_available("push settings", lambda: self._settings.of(pairs))


def _receiver(answer: Sequence[Any], settings: PushSettings, muted_until: datetime | None) -> Receiver:
    seq, blocked, reachable, change, preview, unread_here, unread_total, revoked = answer
    changed, kept = (None if text is None else bytes(text).decode(errors="replace") for text in (change, preview))
    here = max(1, int(unread_here or 0))
    return Receiver(
        has_up_to=int(seq),
        blocked=bool(blocked),
        reachable=bool(reachable),
        message_deleted=changed == keys.CHANGED_DELETED,
        message_text=kept if changed is None else changed.removeprefix(keys.CHANGED_TEXT),
        unread=Unread(here, max(here, int(unread_total or 0))),
        revoked_until=float(revoked or 0),
        settings=settings,
        conversation_muted_until=muted_until,
    )


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)
