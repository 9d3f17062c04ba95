"""What is done about the outcome of a notification."""

import time
from collections.abc import Sequence

import structlog

from services.notifier import metrics
from services.notifier.claims import Claims
from services.notifier.outcome import Fate, Outcome, Reason
from services.notifier.owed import Owed
from services.notifier.patience import patiently
from services.notifier.retries import Retries, after_attempt, after_deferral
from services.notifier.subscriptions import Subscriptions
from shared.protocol import relay
from shared.redis import TRANSIENT_ERRORS

log = structlog.get_logger(__name__)


class Settlement:
    """Remembers what was accepted, forgets subscriptions that ended, and lets failures wait for another try."""

    def __init__(self, claims: Claims, subscriptions: Subscriptions, retries: Retries, most_attempts: int) -> None:
        self._claims = claims
        self._subscriptions = subscriptions
        self._retries = retries
        self._most_attempts = most_attempts

    async def settle(self, owed: Owed, service: str, outcome: Outcome) -> None:
        """Do what the outcome asks for. Returns when nothing of it can be lost any more."""
        match outcome.fate:
            case Fate.ACCEPTED:
                await self._accepted(owed, service)
            case Fate.REPEATED:
                metrics.REPEATED.inc()
            case Fate.DEFERRED:
                await self.defer([owed], outcome)
            case Fate.RETRY:
                await self._retry(owed, outcome)
            case Fate.GONE:
                await patiently("prune", lambda: self._subscriptions.prune(owed.subscription))
                metrics.PRUNED.inc()
                self.give_up(owed, outcome)
            case Fate.KEY_FAULT:
                metrics.KEY_FAULTS.labels(service).inc()
                self.give_up(owed, outcome)
            case Fate.DROPPED:
                self.give_up(owed, outcome)

    async def defer(self, owed: Sequence[Owed], outcome: Outcome) -> None:
        """Put notifications off without a request."""
        metrics.DEFERRED.labels(outcome.reason).inc(len(owed))
        by_wait: dict[int, list[relay.PushRetry]] = {}
        for one in owed:
            wait = after_deferral(one.deferrals)
            by_wait.setdefault(wait, []).append(one.after_deferral())
        for wait, retries in by_wait.items():
            await self._retries.put(retries, wait)

    def give_up(self, owed: Owed, outcome: Outcome) -> None:
        """It won't be sent: count it, and say why."""
        metrics.FAILED.labels(outcome.reason).inc()
        level = log.error if outcome.fate is Fate.KEY_FAULT else log.info
        level("push.given_up", reason=outcome.reason, detail=outcome.detail, **_ids(owed))

    async def _accepted(self, owed: Owed, service: str) -> None:
        message = owed.message
        await patiently(
            "remember", lambda: self._claims.accept(message.receiver_id, message.message_id, owed.subscription.id)
        )
        metrics.SENT.labels(service).inc()
        metrics.LATENCY.observe(max(0.0, time.time() - message.created_at_ms / 1000))
        log.info("push.sent", service=service, **_ids(owed))

    async def _retry(self, owed: Owed, outcome: Outcome) -> None:
        if owed.attempts + 1 >= self._most_attempts:
            self.give_up(owed, Outcome(Fate.DROPPED, Reason.ATTEMPTS_EXHAUSTED, detail=outcome.detail))
            return
        wait = after_attempt(owed.attempts + 1, outcome.retry_after_seconds)
        await self._retries.put([owed.after_attempt()], wait)
        metrics.RETRIES.labels(outcome.reason).inc()
        log.info("push.retry", reason=outcome.reason, detail=outcome.detail, wait_seconds=wait, **_ids(owed))
        try:
            await self._claims.release(owed.message.receiver_id, owed.message.message_id, owed.subscription.id)
        except TRANSIENT_ERRORS:
            # The claim ends by itself; a retry that comes before that is put off once more.
            log.info("push.claim_kept", **_ids(owed))


def _ids(owed: Owed) -> dict[str, str]:
    return {
        "message_id": owed.message.message_id,
        "user_id": owed.message.receiver_id,
        "subscription_id": owed.subscription.id,
    }
