"""Handles push requests: drops unwanted ones, and makes jobs of the others, one for each device."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import structlog

from services.notifier import metrics
from services.notifier.decision import Receiver, Receivers, Verdict, decide, utc_now
from services.notifier.delivery.outcome import Disposition, Outcome
from services.notifier.delivery.outcome_handler import OutcomeHandler
from services.notifier.delivery.push_dispatcher import PushDispatcher
from services.notifier.push_jobs import PushJob, PushRequest
from services.notifier.targets import Targets
from services.notifier.tasks import TaskSet
from shared.retry import retry_until_available

log = structlog.get_logger(__name__)

GROUPS: Final = 8
"""Groups of requests for one Redis server that may be in progress or wait. More make the consumer wait."""
GROUP_SIZE: Final = 64
"""Requests in one group, which Redis and PostgreSQL look up together.

The consumer takes 64 AMQP messages with hundreds of requests each. One script for all of them would block Redis, and so every
chat message, for a tenth of a second. A script for one group takes a millisecond.
"""


class Handlers:
    """Turns push requests into jobs, and passes these to the dispatcher."""

    def __init__(
        self,
        tasks: TaskSet,
        receivers: Receivers,
        targets: Targets,
        dispatcher: PushDispatcher,
        outcomes: OutcomeHandler,
        ttl_seconds: int,
    ) -> None:
        self._tasks = tasks
        self._receivers = receivers
        self._targets = targets
        self._dispatcher = dispatcher
        self._outcomes = outcomes
        self._ttl_seconds = ttl_seconds
        self._room: dict[int, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(GROUPS))
        self._turn: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def push(self, requests: Sequence[PushRequest]) -> None:
        """Begin to handle `requests`. Their counters acknowledge the AMQP messages when they are done.

        Requests whose receivers share a Redis server are handled in order; those of one server don't wait for another's.
        """
        groups: dict[int, list[PushRequest]] = {}
        for request in requests:
            groups.setdefault(self._receivers.partition_of(request.message), []).append(request)
        for partition, group in groups.items():
            for request in group:
                request.counter.add()
            for first in range(0, len(group), GROUP_SIZE):
                await self._room[partition].acquire()
                part = group[first : first + GROUP_SIZE]
                self._tasks.start(f"requests {partition}", self._handle(partition, part))

    async def _handle(self, partition: int, requests: Sequence[PushRequest]) -> None:
        try:
            async with self._turn[partition]:
                receivers = await self._receivers.of(partition, [request.message for request in requests])
                if receivers is None:
                    await self._outcomes.postpone(requests)
                else:
                    await self._dispatch(self._wanted(requests, receivers))
        finally:
            self._room[partition].release()
        for request in requests:
            request.counter.done()

    def _wanted(
        self, requests: Sequence[PushRequest], receivers: Sequence[Receiver]
    ) -> list[tuple[PushRequest, Receiver]]:
        """Return the requests that get a push, with their receivers."""
        now = utc_now()
        wanted = []
        for request, receiver in zip(requests, receivers, strict=True):
            verdict = decide(request.message, receiver, now=now, ttl_seconds=self._ttl_seconds)
            if verdict is Verdict.PUSH:
                wanted.append((request, receiver))
            else:
                metrics.CANCELLED.labels(verdict).inc()
                log.debug("push.cancelled", reason=verdict, message_id=request.message.message_id)
        return wanted

    async def _dispatch(self, wanted: Sequence[tuple[PushRequest, Receiver]]) -> None:
        users = {request.message.receiver_id for request, _ in wanted}
        targets = await retry_until_available("targets", lambda: self._targets.of(users))
        deferred: dict[Outcome, list[PushJob]] = {}
        for request, receiver in wanted:
            jobs = request.jobs(targets.of(request.message.receiver_id, receiver.revoked_until))
            if not jobs:
                metrics.UNSUBSCRIBED.inc()
                await self._outcomes.unsubscribed(request.message)
            for job in jobs:
                refusal = self._dispatcher.offer(job, request.counter)
                if refusal is None:
                    await self._dispatcher.turn()
                elif refusal.disposition is Disposition.DEFERRED:
                    deferred.setdefault(refusal, []).append(job)
                else:
                    await self._outcomes.give_up(job, refusal)
        for outcome, put_off in deferred.items():
            await self._outcomes.defer(put_off, outcome)
