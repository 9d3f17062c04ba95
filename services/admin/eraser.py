"""Erases users step by step. Each step is a request to the service that owns the data, repeated until nothing is left."""

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from services.admin.jobs import Job, Jobs
from shared.auth.revocations import Revocations, end_pushes
from shared.directory import Directory
from shared.protocol.errors import ProtocolError
from shared.protocol.requests import Done, EraseUser
from shared.protocol.topology import MESSAGING_REQUESTS, NOTIFIER_REQUESTS, PRESENCE_REQUESTS, Queue
from shared.rabbitmq import Publisher
from shared.requests import Requester
from shared.retry import is_transient

log = structlog.get_logger(__name__)

ERASE: Final = "erase"
"""The kind of these jobs."""
PAUSE_SECONDS: Final = 0.5
"""Pause before a repeated request when the owner still waits, for instance for connections that are closing."""
_OWNERS: Final[tuple[Queue, ...]] = (NOTIFIER_REQUESTS, MESSAGING_REQUESTS, PRESENCE_REQUESTS)


class Eraser:
    """Runs one job after another. An interrupted job continues where it was, on any replica."""

    def __init__(
        self, jobs: Jobs, directory: Directory, revocations: Revocations, publisher: Publisher, requester: Requester
    ) -> None:
        self._jobs = jobs
        self._directory = directory
        self._revocations = revocations
        self._publisher = publisher
        self._requester = requester

    async def run(self) -> None:
        """Run jobs. Never returns."""
        while True:
            try:
                job = await self._jobs.claim()
                if job is not None:
                    await self._work(job)
                    continue
            except Exception as error:
                if not is_transient(error) and not isinstance(error, ProtocolError):
                    raise
                log.warning("job.held", error=repr(error))
            await self._jobs.wait()

    async def _work(self, job: Job) -> None:
        """Carry a job out, from its current step."""
        if job.step == 0:
            # First step: from now on neither old tokens nor senders reach the user.
            since = await self._revocations.revoke(job.user_id, None)
            await end_pushes(self._publisher, job.user_id, since)
            await self._directory.erase(job.user_id)
            job = await self._advance(job, 1, "")
        while job.step <= len(_OWNERS):
            request = EraseUser(job.user_id, job.page)
            done = await self._requester.ask(_OWNERS[job.step - 1], request, Done)
            if done.more and done.page == job.page:
                await asyncio.sleep(PAUSE_SECONDS if not done.page else 0)
            job = await self._advance(job, job.step + (not done.more), done.page if done.more else "")
        await self._jobs.finish(job)
        log.info("user.erased", job_id=job.id, user_id=job.user_id)

    async def _advance(self, job: Job, step: int, page: str) -> Job:
        await self._jobs.advance(job, step, page)
        return replace(job, step=step, page=page)
