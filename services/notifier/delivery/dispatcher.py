"""Makes the requests: each job in the queue of its push service, with what came of it handed to the outcome handler."""

import asyncio

import structlog

from services.notifier.delivery.claims import Claim, Claims
from services.notifier.delivery.outcome import CIRCUIT_OPEN, CLAIMED, REPEATED, Disposition, Outcome, Reason
from services.notifier.delivery.outcome_handler import OutcomeHandler
from services.notifier.delivery.service_queue import ServiceQueue
from services.notifier.push_jobs import AckCounter, PushJob
from services.notifier.webpush.allowlist import EndpointRefused
from services.notifier.webpush.sender import Sender
from shared.retry import retry_until_available

log = structlog.get_logger(__name__)


class Dispatcher:
    """Owns the service queues. `places`: requests at once to one push service. Takes jobs only while `run` runs."""

    def __init__(self, sender: Sender, claims: Claims, outcomes: OutcomeHandler, places: int) -> None:
        self._sender = sender
        self._claims = claims
        self._outcomes = outcomes
        self._places = places
        self._queues: dict[str, ServiceQueue] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._open = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Keep the tasks of all jobs. Never returns."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    def offer(self, job: PushJob, counter: AckCounter) -> Outcome | None:
        """Take charge of a job (None), or say why it has to wait at the broker or can't be sent at all."""
        assert self._tasks is not None, "run() comes first"
        try:
            service = self._sender.service_of(job)
        except EndpointRefused as error:
            return Outcome(Disposition.DROPPED, Reason.ENDPOINT_REFUSED, detail=str(error))
        queue = self._queues.get(service)
        if queue is None:
            queue = self._queues[service] = ServiceQueue(service, self._places)
        refusal = queue.refusal()
        if refusal is None:
            queue.enter()
            counter.add()
            self._open += 1
            self._idle.clear()
            self._tasks.create_task(self._deliver(job, queue, counter), name=f"push {job.message.message_id}")
        return refusal

    async def drain(self, seconds: float) -> None:
        """Begin no more requests, and wait for those under way. The broker redelivers the rest to another replica."""
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("push.drain_timed_out", open=self._open)

    async def _deliver(self, job: PushJob, queue: ServiceQueue, counter: AckCounter) -> None:
        try:
            async with queue.place(job.subscription.id):
                if self._stopping:
                    return
                outcome = await self._try(job, queue)
            await self._outcomes.handle(job, queue.service, outcome)
            counter.done()
        finally:
            queue.leave()
            self._open -= 1
            if self._open == 0:
                self._idle.set()

    async def _try(self, job: PushJob, queue: ServiceQueue) -> Outcome:
        """Claim the job, and make one request."""
        if not queue.circuit.admit():
            return CIRCUIT_OPEN
        claim = await retry_until_available(
            "claim",
            lambda: self._claims.claim(job.message.receiver_id, job.message.message_id, job.subscription.id),
        )
        if claim is not Claim.MINE:
            return REPEATED if claim is Claim.ACCEPTED else CLAIMED
        try:
            outcome = await self._sender.send(job)
        except Exception:
            # One notification that can't be built must not stop the process, again and again, for all the others.
            log.exception("push.failed", **job.ids)
            return Outcome(Disposition.DROPPED, Reason.INTERNAL)
        queue.learn(outcome)
        return outcome
