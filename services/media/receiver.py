"""Receives the bytes of an upload from its client, when they don't go directly to a bucket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from services.media import metrics
from services.media.storage import Storage, incoming
from services.media.transfers import Transfers
from services.media.uploads import State, Upload, Uploads
from shared.protocol.errors import ErrorCode, ProtocolError

IDLE_SECONDS: Final = 30
"""A transfer ends when no bytes come for this long."""
TOTAL_SECONDS: Final = 3600


class Receiver:
    """Writes clients' bytes to the store."""

    def __init__(self, uploads: Uploads, storage: Storage, transfers: Transfers) -> None:
        self._uploads = uploads
        self._storage = storage
        self._transfers = transfers

    async def receive(self, upload_id: str, request: Request) -> None:
        """Store the body of `request`. Raises ProtocolError and HTTPException; then nothing of it is kept."""
        upload = await self._open(upload_id)
        _check_announced(upload, request.headers.get("content-length"))
        async with self._transfers.one("in", upload.user_id):
            try:
                await self._storage.write(incoming(upload_id), self._exactly(upload.size, request))
            except ClientDisconnect:
                raise HTTPException(400, "The transfer was broken off") from None
            except TimeoutError:
                raise HTTPException(
                    408, f"No bytes for {IDLE_SECONDS} s, or not all within {TOTAL_SECONDS} s"
                ) from None
        try:
            await self._open(upload_id)
        except (ProtocolError, HTTPException):
            # The upload was completed or released while the bytes came, so nobody needs them.
            await self._storage.delete([incoming(upload_id)])
            raise

    async def _open(self, upload_id: str) -> Upload:
        upload = await self._uploads.find(upload_id)
        if upload is None or upload.state in {State.RELEASED, State.DELETED}:
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
        if upload.state is not State.RESERVED:
            raise HTTPException(409, "This upload is complete: it takes no more bytes")
        if not upload.standing:
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND, "The time for this upload is over; reserve a new one")
        return upload

    async def _exactly(self, size: int, request: Request) -> AsyncIterator[bytes]:
        """Yield the body's bytes. Raises HTTPException when there aren't exactly `size`, TimeoutError when they stop coming."""
        loop, seen = asyncio.get_running_loop(), 0
        end = loop.time() + TOTAL_SECONDS
        stream = aiter(request.stream())
        while True:
            async with asyncio.timeout_at(min(end, loop.time() + IDLE_SECONDS)):
                chunk = await anext(stream, None)
            if chunk is None:
                break
            seen += len(chunk)
            metrics.RECEIVED_BYTES.inc(len(chunk))
            if seen > size:
                raise _wrong_size(size, too_large=True)
            if chunk:
                # What isn't read yet waits at the client: its socket fills, and HAProxy's.
                await self._transfers.pass_on(len(chunk))
                yield chunk
        if seen != size:
            raise _wrong_size(size, too_large=False)


def _check_announced(upload: Upload, length: str | None) -> None:
    """Refuse a body of another size before it is read."""
    if length is not None and (not length.isdigit() or int(length) != upload.size):
        raise _wrong_size(upload.size, too_large=length.isdigit() and int(length) > upload.size)


def _wrong_size(size: int, *, too_large: bool) -> HTTPException:
    metrics.REFUSED.labels("transfer").inc()
    return HTTPException(413 if too_large else 422, f"The upload was reserved with {size} bytes; send exactly these")
