"""Import of NDJSON, which is read as a stream, so that memory doesn't depend on its length."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from services.admin.authentication import CallingService
from services.admin.importer import Batch, Importer, Result
from shared.protocol.errors import ErrorCode, ProtocolError

MOST_LINE_BYTES = 64 * 1024
CONTENT_TYPE = "application/x-ndjson"


class FailedLine(BaseModel):
    """A line that couldn't be imported. Lines are counted from 1."""

    line: int
    error: str


class ImportResult(BaseModel):
    """How many lines were new, existed already, and failed. Up to 1,000 failed lines are described."""

    imported: int
    skipped: int
    failed: list[FailedLine]
    failures: int = Field(description="All that failed.")


class ImportRoutes:
    """The path of the import."""

    def __init__(self, importer: Importer) -> None:
        self._importer = importer

    def router(self) -> APIRouter:
        """The path."""
        router = APIRouter()
        body: dict[str, Any] = {"required": True, "content": {CONTENT_TYPE: {"schema": {"type": "string"}}}}
        router.add_api_route("/import", self.import_lines, methods=["POST"], openapi_extra={"requestBody": body})
        return router

    async def import_lines(self, _caller: CallingService, request: Request) -> ImportResult:
        """Import users, follows, conversations and messages, one JSON object a line.

        Repeating all or a part of it is harmless.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != CONTENT_TYPE:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, f"Content-Type must be {CONTENT_TYPE}")
        result, batch, number = Result(), Batch(), 0
        async for line in lines_of(request.stream()):
            number += 1
            if line is None:
                result.fail(number, f"the line is longer than {MOST_LINE_BYTES} bytes")
            elif line.strip():
                batch = await self._importer.take(number, line, batch, result)
        await self._importer.run(batch, result)
        return ImportResult(
            imported=result.imported,
            skipped=result.skipped,
            failed=[FailedLine(**each) for each in result.failed],
            failures=result.failures,
        )


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    """Yield the lines of a stream, without line ends; None for a line that is too long, which isn't kept in memory."""
    rest, skipping = b"", False
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield None if skipping or len(line) > MOST_LINE_BYTES else line
            skipping = False
        if len(rest) > MOST_LINE_BYTES:
            rest, skipping = b"", True
    if rest or skipping:
        yield None if skipping else rest
