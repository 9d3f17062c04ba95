"""Sends jobs: puts each into the queue of its push service, makes the request, and passes the outcome on."""

import asyncio

import structlog

from services.notifier import metrics
from services.notifier.delivery.claims import Claim, Claims
from services.notifier.delivery.outcome import (
    BACKEND_AWAY,
    CIRCUIT_OPEN,
    CLAIMED,
    FAULT,
    REPEATED,
    Disposition,
    Outcome,
    Reason,
)
from services.notifier.delivery.outcome_handler import OutcomeHandler
from services.notifier.delivery.recheck import Recheck
from services.notifier.delivery.senders import Senders
from services.notifier.delivery.service_queue import ServiceQueue, ServiceQueues
from services.notifier.push_jobs import AckCounter, PushJob
from services.notifier.targets import TargetRefused
from services.notifier.tasks import TaskSet
from shared.retry import is_transient
from shared.tracing import name_ids, span

log = structlog.get_logger(__name__)


class PushDispatcher:
    """Puts jobs into service queues, and sends them."""

    def __init__(
        self,
        tasks: TaskSet,
        senders: Senders,
        recheck: Recheck,
        claims: Claims,
        outcomes: OutcomeHandler,
        queues: ServiceQueues,
    ) -> None:
        self._tasks = tasks
        self._senders = senders
        self._recheck = recheck
        self._claims = claims
        self._outcomes = outcomes
        self._queues = queues
        self._open = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def offer(self, job: PushJob, counter: AckCounter) -> Outcome | None:
        """Accept a job and return None; or return why it must wait at the broker, or can't be sent at all."""
        try:
            queue = self._queues.get(self._senders.of(job.target).queue_of(job.target))
        except TargetRefused as error:
            return Outcome(Disposition.DROPPED, Reason.ENDPOINT_REFUSED, detail=str(error))
        refusal = queue.refusal()
        if refusal is None:
            queue.enter()
            counter.add()
            self._open += 1
            metrics.WAITING.set(self._open)
            self._idle.clear()
            self._tasks.start(f"push {job.message.message_id}", self._deliver(job, queue, counter))
        return refusal

    async def turn(self) -> None:
        """Wait until another job may be offered, by the pace that is set. What was refused took no turn."""
        await self._queues.throughput.pass_on(1)

    async def drain(self, seconds: float) -> None:
        """Start no more requests, and wait for those under way. The broker redelivers the rest to another replica."""
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("drain.incomplete", pushes=self._open)

    async def _deliver(self, job: PushJob, queue: ServiceQueue, counter: AckCounter) -> None:
        try:
            async with queue.place(job.target.id):
                if self._stopping:
                    return
                with span("notifier.push", "client", counter.trace) as traced:
                    name_ids(traced, **{f"{name}s": (value,) for name, value in job.ids.items()})
                    outcome = await self._try(job, queue)
                    name_ids(traced, outcomes=(str(outcome.disposition),))
            await self._outcomes.handle(job, queue.service, outcome)
            counter.done()
        finally:
            queue.leave()
            self._open -= 1
            metrics.WAITING.set(self._open)
            if self._open == 0:
                self._idle.set()

    async def _try(self, job: PushJob, queue: ServiceQueue) -> Outcome:
        """Decide the job again, claim it, and make one request."""
        try:
            decided = await self._recheck.check(job)
            if isinstance(decided, Outcome):
                return decided
            if not queue.circuit.admit():
                return CIRCUIT_OPEN
            claim = await self._claims.claim(job.message.receiver_id, job.message.message_id, job.target.id)
            if claim is not Claim.MINE:
                return REPEATED if claim is Claim.ACCEPTED else CLAIMED
            outcome = await self._senders.of(decided.target).send(decided)
        except Exception as error:
            if is_transient(error):
                log.warning("push.postponed", error=repr(error), **job.ids)
                return BACKEND_AWAY
            # A notification that can't be built must not stop the process, or it would do so again after each redelivery.
            log.exception("push.failed", **job.ids)
            return FAULT
        queue.learn(outcome)
        return outcome
