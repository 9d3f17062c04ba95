"""Serves the bytes of an upload to clients with a signed URL, with headers that make hostile files harmless."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.media import metrics
from services.media.inspection.images import THUMBNAIL_TYPE
from services.media.ranges import Span, Unsatisfiable, span_of
from services.media.storage import Storage, object_of
from services.media.transfers import Transfers
from services.media.uploads import State, Upload, Uploads
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Attachment
from shared.uploads.signing import FILE, THUMBNAIL, object_name

SAFE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "bytes",
    # The content of a URL never changes. The URL is secret, so shared caches must not store the response.
    "Cache-Control": f"private, max-age={limits.UPLOAD_URL_SECONDS}, immutable",
}
_INLINE: Final = frozenset({"image", "video", "audio"})
"""Kinds that browsers show; others are downloaded."""

_attachment: Final = msgspec.json.Decoder(Attachment)


class Serving:
    """Reads from the store."""

    def __init__(self, uploads: Uploads, storage: Storage, transfers: Transfers) -> None:
        self._uploads = uploads
        self._storage = storage
        self._transfers = transfers

    async def serve(self, upload_id: str, variant: str, request: Request) -> Response:
        """Return the response to GET or HEAD of an upload's object. Raises ProtocolError."""
        upload, item = await self._find(upload_id)
        name, size, headers = object_name(upload_id, variant), item.size, _headers(item, variant)
        if variant != FILE:
            size = await self._storage.find_size(object_of(name)) if item.thumbnail is not None else None
        if size is None:
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
        headers["ETag"] = tag = f'"{name}"'
        if _matches(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        asked = request.headers.get("range") if request.headers.get("if-range", tag) == tag else None
        try:
            span = span_of(asked, size)
        except Unsatisfiable:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        status = 200 if span is None else 206
        if span is not None:
            headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
        span = span or Span(0, size)
        headers["Content-Length"] = str(span.end - span.start)
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        chunks = self._read(object_of(name), span, upload.conversation_id)
        return await _stream(chunks, status, headers)

    async def _find(self, upload_id: str) -> tuple[Upload, Attachment]:
        upload = await self._uploads.find(upload_id)
        if upload is None or upload.state not in {State.READY, State.USED} or upload.media is None:
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
        return upload, _attachment.decode(upload.media)

    async def _read(self, name: str, span: Span, conversation_id: str) -> AsyncGenerator[bytes, None]:
        async with self._transfers.one("out", conversation_id):
            async for chunk in self._storage.read(name, *span):
                await self._transfers.pass_on(len(chunk))
                metrics.SERVED_BYTES.inc(len(chunk))
                yield chunk


async def _stream(chunks: AsyncGenerator[bytes, None], status: int, headers: dict[str, str]) -> Response:
    """Return a streaming response.

    The first bytes are read before it begins, so that a missing object gives a 404, not a broken response.
    """
    try:
        first = await anext(chunks)
    except FileNotFoundError:
        raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND) from None

    async def body() -> AsyncIterator[bytes]:
        try:
            yield first
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()

    return StreamingResponse(body(), status, headers)


def _headers(item: Attachment, variant: str) -> dict[str, str]:
    mime_type = THUMBNAIL_TYPE if variant == THUMBNAIL else item.mime_type or "application/octet-stream"
    if mime_type.startswith("text/"):
        mime_type += "; charset=utf-8"
    way = "inline" if variant == THUMBNAIL or item.type in _INLINE else "attachment"
    return {**SAFE_HEADERS, "Content-Type": mime_type, "Content-Disposition": disposition(way, item.name or "file")}


def disposition(way: str, name: str) -> str:
    """Return a `Content-Disposition` with a name in any script (RFC 6266, section 4.3; RFC 8187)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _matches(header: str | None, tag: str) -> bool:
    """Return whether `If-None-Match` contains the tag (RFC 9110, section 13.1.2)."""
    if header is None:
        return False
    return header.strip() == "*" or tag in (part.strip().removeprefix("W/") for part in header.split(","))
