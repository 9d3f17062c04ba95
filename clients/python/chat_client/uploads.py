"""Uploads a file: reserve, send the bytes, complete. Each step is retried when it gets no answer."""

import asyncio
import mimetypes
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, cast
from urllib.parse import quote

import httpx
from typing_extensions import Self

from chat_client.advice import full_jitter
from chat_client.errors import ConnectionLost, ServerError
from chat_client.resources import Reservation, UploadedMedia

ATTEMPTS: Final = 6
CHUNK_BYTES: Final = 256 * 1024
IDLE_SECONDS: Final = 60.0
UNKNOWN_TYPE: Final = "application/octet-stream"

Progress = Callable[[int, int], None]
"""Called with (sent bytes, all bytes)."""
T = TypeVar("T")


class Call(Protocol):
    """A REST call (`Rest.call`)."""

    async def __call__(self, method: str, path: str, *, body: Any = None) -> Any:
        """Return the answer's JSON."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to upload: its bytes, size, name and type."""

    file: Path | bytes
    size: int
    name: str
    mime_type: str

    @classmethod
    def of(cls, file: Path | bytes, name: str | None, mime_type: str | None) -> Self:
        """Return a source. Missing values are taken from the file itself."""
        called = name or (file.name if isinstance(file, Path) else "file")
        size = file.stat().st_size if isinstance(file, Path) else len(file)
        return cls(file, size, called, mime_type or mimetypes.guess_type(called)[0] or UNKNOWN_TYPE)


async def upload(call: Call, source: Source, conversation_id: str, on_progress: Progress | None) -> UploadedMedia:
    """Upload a file (see `Rest.upload`). Raises ServerError and ConnectionLost when retries didn't help."""
    body = {
        "conversationId": conversation_id,
        "name": source.name,
        "mimeType": source.mime_type,
        "size": source.size,
    }
    reservation = cast("Reservation", await _repeatedly(lambda: call("POST", "/chat/uploads", body=body)))
    await _repeatedly(lambda: _send(reservation, source, on_progress or _nobody))
    path = f"/chat/uploads/{quote(reservation['uploadId'])}/complete"
    return cast("UploadedMedia", (await _repeatedly(lambda: call("POST", path)))["media"])


def _nobody(_sent: int, _total: int) -> None:
    """Ignore the progress."""


async def _send(reservation: Reservation, source: Source, on_progress: Progress) -> None:
    headers = {**reservation["headers"], "Content-Length": str(source.size)}
    chunks = _chunks(source.file, source.size, on_progress)
    try:
        async with httpx.AsyncClient(timeout=IDLE_SECONDS) as http:
            answer = await http.request(reservation["method"], reservation["url"], headers=headers, content=chunks)
    except httpx.HTTPError as error:
        raise ConnectionLost(f"upload: {error!r}") from error
    if not answer.is_success:
        retryable = answer.status_code in {408, 429} or answer.status_code >= 500
        raise ServerError("upload_failed", answer.text[:500], retryable=retryable, status=answer.status_code)


async def _chunks(file: Path | bytes, size: int, on_progress: Progress) -> AsyncIterator[bytes]:
    on_progress(0, size)
    if isinstance(file, bytes):
        for start in range(0, size, CHUNK_BYTES):
            yield file[start : start + CHUNK_BYTES]
            on_progress(min(start + CHUNK_BYTES, size), size)
        return
    sent = 0
    with file.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            on_progress(sent, size)


async def _repeatedly(step: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a step. It is retried while that may help."""
    for attempt in range(ATTEMPTS):
        try:
            return await step()
        except (ServerError, ConnectionLost) as error:
            # Above the user's quota, the wait may be a day: the application must decide, so don't retry.
            hopeless = isinstance(error, ServerError) and (not error.retryable or error.status == 429)
            if hopeless or attempt == ATTEMPTS - 1:
                raise
            wait = (error.retry_after or 0.0) if isinstance(error, ServerError) else 0.0
        await asyncio.sleep(wait + full_jitter(attempt, random.random))
    raise AssertionError("unreachable")
