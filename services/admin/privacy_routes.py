"""Privacy: erasure of a user, and export of a user's data."""

# ruff: noqa: N815 - camel case is the contract's

from collections.abc import AsyncIterator
from typing import Final, Literal, Self

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.admin.authentication import CallingService
from services.admin.eraser import ERASE
from services.admin.jobs import Job, Jobs
from shared.directory import Directory, Profile
from shared.protocol.codec import instant, json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import ExportPage, ExportUser
from shared.protocol.topology import MESSAGING_REQUESTS, NOTIFIER_REQUESTS, PRESENCE_REQUESTS, Queue
from shared.requests import Requester
from shared.rest.formats import IdText, InstantText, UuidText

log = structlog.get_logger(__name__)

NDJSON: Final = "application/x-ndjson"
_OWNERS: Final[tuple[Queue, ...]] = (MESSAGING_REQUESTS, PRESENCE_REQUESTS, NOTIFIER_REQUESTS)


class JobBody(BaseModel):
    """A job, and whether it is done."""

    id: IdText
    userId: IdText
    kind: str
    state: Literal["running", "done"]
    createdAt: InstantText
    finishedAt: InstantText | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the body of a job."""
        done = job.finished_at is not None
        return cls(
            id=job.id,
            userId=job.user_id,
            kind=job.kind,
            state="done" if done else "running",
            createdAt=instant(job.created_at),
            finishedAt=None if job.finished_at is None else instant(job.finished_at),
        )


class PrivacyRoutes:
    """The paths of erasure and export."""

    def __init__(self, directory: Directory, jobs: Jobs, requester: Requester) -> None:
        self._directory = directory
        self._jobs = jobs
        self._requester = requester

    def router(self) -> APIRouter:
        """The paths."""
        router = APIRouter()
        router.add_api_route("/users/{user_id}", self.erase, methods=["DELETE"], status_code=202)
        router.add_api_route("/jobs/{job_id}", self.job, methods=["GET"])
        router.add_api_route("/users/{user_id}/export", self.export, methods=["GET"], response_class=StreamingResponse)
        return router

    async def erase(self, _caller: CallingService, user_id: UuidText, response: Response) -> JobBody:
        """Erase a user everywhere, in the background. The answer is the job, which survives crashes. Repeating it is no error."""
        if user_id in await self._directory.known([user_id]):
            job = await self._jobs.add(user_id, ERASE)
        else:
            found = await self._jobs.newest(user_id, ERASE)
            if found is None:
                raise ProtocolError(ErrorCode.USER_NOT_FOUND, f"No user has the id {user_id}")
            job = found
        response.headers["Location"] = f"/chat/admin/jobs/{job.id}"
        return JobBody.of(job)

    async def job(self, _caller: CallingService, job_id: UuidText) -> JobBody:
        """Return the state of a job."""
        job = await self._jobs.find(job_id)
        if job is None:
            raise ProtocolError(ErrorCode.NOT_FOUND)
        return JobBody.of(job)

    async def export(self, _caller: CallingService, user_id: UuidText) -> StreamingResponse:
        """Export everything about a user, one JSON object a line. The last line is `{"kind": "end"}` when nothing is missing."""
        profile = await self._directory.find(user_id)
        if profile is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND, f"No user has the id {user_id}")
        return StreamingResponse(self._lines(profile), media_type=NDJSON)

    async def _lines(self, profile: Profile) -> AsyncIterator[bytes]:
        user = {
            "kind": "user",
            "id": profile.user_id,
            "username": profile.username,
            "displayName": profile.display_name,
            "avatar": profile.avatar,
        }
        yield json_encoder.encode(user) + b"\n"
        try:
            for queue in _OWNERS:
                page: str | None = ""
                while page is not None:
                    found = await self._requester.ask(queue, ExportUser(profile.user_id, page), ExportPage)
                    for line in found.lines:
                        yield line.encode() + b"\n"
                    page = found.next_page or None
        except ProtocolError as error:
            # The answer has begun, so only its content can tell that it isn't complete.
            log.error("export.incomplete", user_id=profile.user_id, error=str(error))
            yield json_encoder.encode({"kind": "error", "message": error.event.error.message}) + b"\n"
            return
        yield b'{"kind":"end"}\n'
