"""The last decision, right before a request: a push may have waited for hours, and may no longer be wanted."""

import asyncio
from collections.abc import Sequence

from services.notifier.decision import Receivers, Verdict, decide, utc_now
from services.notifier.delivery.outcome import BACKEND_AWAY, Disposition, Outcome
from services.notifier.push_jobs import ApprovedJob, PushJob
from services.notifier.targets import Targets
from services.notifier.tasks import TaskSet
from shared.retry import retry_until_available

MAX_BATCH = 256
"""Jobs that are decided in one look-up."""

Decided = ApprovedJob | Outcome


class Recheck:
    """Jobs that ask while a look-up runs share the next one. Each Redis server has its own look-ups."""

    def __init__(self, tasks: TaskSet, receivers: Receivers, targets: Targets, ttl_seconds: int) -> None:
        self._tasks = tasks
        self._receivers = receivers
        self._targets = targets
        self._ttl_seconds = ttl_seconds
        self._waiting: dict[int, list[tuple[PushJob, asyncio.Future[Decided]]]] = {}

    async def check(self, job: PushJob) -> Decided:
        """Return the approved job, or its outcome when it is no longer wanted.

        Raises errors that aren't transient errors of a backend.
        """
        partition = self._receivers.partition_of(job.message)
        future: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(partition)
        if waiting is None:
            self._waiting[partition] = [(job, future)]
            self._tasks.start(f"recheck {partition}", self._work(partition))
        else:
            waiting.append((job, future))
        return await future

    async def _work(self, partition: int) -> None:
        """Decide waiting jobs, batch by batch, until none waits."""
        while waiting := self._waiting[partition]:
            batch, self._waiting[partition] = waiting[:MAX_BATCH], waiting[MAX_BATCH:]
            try:
                decided = await self._decide(partition, [job for job, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, decided, strict=True):
                if not future.done():
                    future.set_result(result)
        del self._waiting[partition]

    async def _decide(self, partition: int, jobs: Sequence[PushJob]) -> list[Decided]:
        receivers = await self._receivers.of(partition, [job.message for job in jobs])
        if receivers is None:
            return [BACKEND_AWAY for _ in jobs]
        users = {job.message.receiver_id for job in jobs}
        targets = await retry_until_available("targets", lambda: self._targets.of(users))
        now = utc_now()
        decided: list[Decided] = []
        for job, receiver in zip(jobs, receivers, strict=True):
            verdict = decide(job.message, receiver, now=now, ttl_seconds=self._ttl_seconds)
            target = targets.find(job.message.receiver_id, job.target.id, receiver.revoked_until)
            if verdict is Verdict.PUSH and target is None:
                verdict = Verdict.UNSUBSCRIBED
            if verdict is Verdict.PUSH and target is not None:
                decided.append(ApprovedJob(job, target, receiver))
            else:
                decided.append(Outcome(Disposition.CANCELLED, detail=verdict))
        return decided
