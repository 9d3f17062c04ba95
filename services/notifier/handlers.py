"""What is done about push requests: the unwanted ones are dropped, the others become jobs, one for each device."""

import time
from collections.abc import Sequence

import structlog

from services.notifier import metrics
from services.notifier.decision import Receivers, Verdict, decide
from services.notifier.delivery.dispatcher import Dispatcher
from services.notifier.delivery.outcome import Disposition, Outcome
from services.notifier.delivery.outcome_handler import OutcomeHandler
from services.notifier.push_jobs import PushJob, PushRequest
from services.notifier.subscriptions import Subscriptions
from shared.retry import retry_until_available

log = structlog.get_logger(__name__)


class Handlers:
    """Turns push requests into jobs, and hands those to the dispatcher."""

    def __init__(
        self,
        receivers: Receivers,
        subscriptions: Subscriptions,
        dispatcher: Dispatcher,
        outcomes: OutcomeHandler,
        ttl_seconds: int,
    ) -> None:
        self._receivers = receivers
        self._subscriptions = subscriptions
        self._dispatcher = dispatcher
        self._outcomes = outcomes
        self._ttl_seconds = ttl_seconds

    async def push(self, requests: Sequence[PushRequest]) -> None:
        """Returns when each request is dropped, with the dispatcher, or back at the broker."""
        await self._dispatch(await self._wanted(requests))

    async def _wanted(self, requests: Sequence[PushRequest]) -> list[PushRequest]:
        """Those that deserve a push."""
        if not requests:
            return []
        messages = [request.message for request in requests]
        receivers = await retry_until_available("receivers", lambda: self._receivers.of(messages))
        now_ms = time.time_ns() // 1_000_000
        wanted = []
        for request, receiver in zip(requests, receivers, strict=True):
            verdict = decide(request.message, receiver, now_ms=now_ms, ttl_seconds=self._ttl_seconds)
            if verdict is Verdict.PUSH:
                wanted.append(request)
            else:
                metrics.CANCELLED.labels(verdict).inc()
                log.debug("push.cancelled", reason=verdict, message_id=request.message.message_id)
        return wanted

    async def _dispatch(self, requests: Sequence[PushRequest]) -> None:
        if not requests:
            return
        users = {request.message.receiver_id for request in requests}
        subscriptions = await retry_until_available("subscriptions", lambda: self._subscriptions.of(users))
        deferred: dict[Outcome, list[PushJob]] = {}
        for request in requests:
            jobs = request.jobs(subscriptions.get(request.message.receiver_id, ()))
            if not jobs:
                metrics.UNSUBSCRIBED.inc()
            for job in jobs:
                refusal = self._dispatcher.offer(job, request.counter)
                if refusal is None:
                    continue
                if refusal.disposition is Disposition.DEFERRED:
                    deferred.setdefault(refusal, []).append(job)
                else:
                    self._outcomes.give_up(job, refusal)
        for outcome, put_off in deferred.items():
            await self._outcomes.defer(put_off, outcome)
