"""Handles the outcome of a push job."""

import time
from collections.abc import Sequence
from typing import Final

import structlog

from services.notifier import metrics
from services.notifier.delivery.claims import Claims
from services.notifier.delivery.outcome import Disposition, Outcome, Reason
from services.notifier.delivery.retries import Retries, after_attempt, after_deferral
from services.notifier.push_jobs import PushJob, PushRequest
from services.notifier.targets import Targets
from services.notifier.unreached import Unreached
from shared.protocol import relay
from shared.retry import is_transient, retry_until_available

log = structlog.get_logger(__name__)


KEY_DEFERRALS: Final = 12
"""How often a job waits for a replica that has its VAPID key: 10 min in all, longer than a rollout of keys takes."""


class OutcomeHandler:
    """Records accepted jobs, deletes devices that ended, and schedules retries of failures."""

    def __init__(
        self,
        claims: Claims,
        targets: Targets,
        retries: Retries,
        most_attempts: int,
        unreached: Unreached | None = None,
    ) -> None:
        self._unreached = unreached
        self._claims = claims
        self._targets = targets
        self._retries = retries
        self._most_attempts = most_attempts

    async def handle(self, job: PushJob, service: str, outcome: Outcome) -> None:
        """Handle an outcome. After that, the AMQP message of the job may be acknowledged."""
        match outcome.disposition:
            case Disposition.ACCEPTED:
                await self._accepted(job, service)
            case Disposition.REPEATED:
                metrics.REPEATED.inc()
            case Disposition.DEFERRED:
                await self._deferred(job, outcome)
            case Disposition.CANCELLED:
                metrics.CANCELLED.labels(outcome.detail).inc()
                log.debug("push.cancelled", reason=outcome.detail, **job.ids)
            case Disposition.RETRY:
                await self._retry(job, outcome)
            case Disposition.GONE:
                await retry_until_available("prune", lambda: self._targets.prune(job.target))
                metrics.PRUNED.inc()
                await self.give_up(job, outcome)
            case Disposition.KEY_FAULT:
                metrics.KEY_FAULTS.labels(service).inc()
                await self.give_up(job, outcome)
            case Disposition.DROPPED:
                await self.give_up(job, outcome)

    async def defer(self, jobs: Sequence[PushJob], outcome: Outcome) -> None:
        """Defer jobs without a request."""
        metrics.DEFERRED.labels(outcome.reason).inc(len(jobs))
        by_wait: dict[int, list[relay.PushRetry]] = {}
        for job in jobs:
            wait = after_deferral(job.deferrals, full=outcome.reason is Reason.QUEUE_FULL)
            by_wait.setdefault(wait, []).append(job.after_deferral())
        for wait, retries in by_wait.items():
            await self._retries.put(retries, wait)

    async def postpone(self, requests: Sequence[PushRequest]) -> None:
        """Postpone requests that could not be decided, because the Redis server of their receivers is away."""
        metrics.DEFERRED.labels(Reason.BACKEND_AWAY).inc(len(requests))
        messages: list[relay.Undelivered] = []
        by_wait: dict[int, list[relay.PushRetry]] = {}
        for request in requests:
            again = request.after_deferral()
            if isinstance(again, relay.PushRetry):
                by_wait.setdefault(after_deferral(request.deferrals), []).append(again)
            else:
                messages.append(again)
        await self._retries.postpone(messages)
        for wait, retries in by_wait.items():
            await self._retries.put(retries, wait)

    async def give_up(self, job: PushJob, outcome: Outcome) -> None:
        """Give a job up: count it, log why, and tell webhooks when it was the receiver's last device."""
        metrics.FAILED.labels(outcome.reason).inc()
        level = log.error if outcome.disposition is Disposition.KEY_FAULT else log.info
        level("push.given_up", reason=outcome.reason, detail=outcome.detail, **job.ids)
        if self._unreached is not None:
            await self._unreached.gave_up(job)

    async def unsubscribed(self, message: relay.Undelivered) -> None:
        """Tell webhooks that the receiver has no device."""
        if self._unreached is not None:
            await self._unreached.unsubscribed(message)

    async def _deferred(self, job: PushJob, outcome: Outcome) -> None:
        """Defer one job. Another replica may have the VAPID key that this one doesn't know."""
        if outcome.reason is Reason.KEY_UNKNOWN:
            if job.deferrals >= KEY_DEFERRALS:
                await self.give_up(job, outcome)
                return
            await self._release(job)
        await self.defer([job], outcome)

    async def _accepted(self, job: PushJob, service: str) -> None:
        message = job.message
        await retry_until_available(
            "remember", lambda: self._claims.accept(message.receiver_id, message.message_id, job.target.id)
        )
        metrics.SENT.labels(service).inc()
        metrics.LATENCY.observe(max(0.0, time.time() - message.created_at_ms / 1000))
        log.info("push.sent", service=service, **job.ids)

    async def _retry(self, job: PushJob, outcome: Outcome) -> None:
        if job.attempts + 1 >= self._most_attempts:
            await self.give_up(job, Outcome(Disposition.DROPPED, Reason.ATTEMPTS_EXHAUSTED, detail=outcome.detail))
            return
        wait = after_attempt(job.attempts + 1, outcome.retry_after_seconds)
        await self._retries.put([job.after_attempt()], wait)
        metrics.RETRIES.labels(outcome.reason).inc()
        log.info("push.retry_scheduled", reason=outcome.reason, detail=outcome.detail, wait_seconds=wait, **job.ids)
        await self._release(job)

    async def _release(self, job: PushJob) -> None:
        try:
            await self._claims.release(job.message.receiver_id, job.message.message_id, job.target.id)
        except Exception as error:
            if not is_transient(error):
                raise
            # The claim expires by itself. A retry that comes earlier is deferred once more.
            log.info("push.claim_not_released", **job.ids)
