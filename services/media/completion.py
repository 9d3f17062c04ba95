"""`complete`: the bytes are there; look at them, keep what is to be served, and describe it. Repeated, it answers the same.

The row says at each moment what is true: a process that dies in between leaves an upload in `processing`, which the next
`complete` takes over when the time of the first one is up.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from services.media import metrics
from services.media.inspection.inspector import Inspected, Task
from services.media.inspection.refusal import Refused
from services.media.inspection.scanner import Scanner, ScannerAway
from services.media.inspection.workers import Workers
from services.media.storage import SOURCE, STORE_ERRORS, Storage, incoming, object_of
from services.media.uploads import State, Upload, Uploads
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Attachment
from shared.tracing import name_ids, span
from shared.uploads.signing import FILE, THUMBNAIL, object_name

log = structlog.get_logger(__name__)

PROCESSING_SECONDS: Final = 120
"""How long one upload may be under way here, whatever it waits for."""
LEASE_SECONDS: Final = PROCESSING_SECONDS + 30
MAX_WAITING: Final = 200
"""Completions that wait for their turn on one replica."""
ELSEWHERE_SECONDS: Final = 15
"""How long a repeated `complete` waits for the first one."""
POLL_SECONDS: Final = 0.25
TEMPORARY_PREFIX: Final = "chat-upload-"


class Rules(NamedTuple):
    """What is taken: MIME types, and pixels of one picture."""

    types: frozenset[str]
    max_pixels: int


class Completion:
    """Makes uploads ready, `slots` at a time."""

    def __init__(
        self, uploads: Uploads, storage: Storage, workers: Workers, scanner: Scanner, rules: Rules, slots: int
    ) -> None:
        self._uploads = uploads
        self._storage = storage
        self._workers = workers
        self._scanner = scanner
        self._rules = rules
        self._slots = asyncio.Semaphore(slots)
        self._waiting = 0

    async def complete(self, user_id: str, upload_id: str) -> str:
        """The JSON of the user's upload, with its objects' names for URLs. Raises ProtocolError, Refused, STORE_ERRORS."""
        with metrics.COMPLETION_SECONDS.time(), span("media.complete", "consumer") as traced:
            name_ids(traced, upload_ids=(upload_id,), user_ids=(user_id,))
            async with self._slot():
                upload = await self._uploads.begin(upload_id, user_id, LEASE_SECONDS)
                if upload is not None:
                    return await self._process(upload)
            return await self._standing(user_id, upload_id)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            raise ProtocolError(ErrorCode.UNAVAILABLE)
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    async def _standing(self, user_id: str, upload_id: str) -> str:
        """What became of an upload that isn't to be processed now; waits a while for whoever processes it."""
        deadline = asyncio.get_running_loop().time() + ELSEWHERE_SECONDS
        while True:
            upload = await self._uploads.find(upload_id)
            if upload is None or upload.user_id != user_id:
                raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
            if upload.state is not State.PROCESSING:
                return outcome_of(upload)
            if asyncio.get_running_loop().time() > deadline:
                raise not_ready()
            await asyncio.sleep(POLL_SECONDS)

    async def _process(self, upload: Upload) -> str:
        try:
            async with asyncio.timeout(PROCESSING_SECONDS):
                media = await self._make_ready(upload)
        except Refused as error:
            metrics.REFUSED.labels("complete").inc()
            log.info("upload.refused", upload_id=upload.id, user_id=upload.user_id, reason=error.reason)
            await self._uploads.reject(upload.id, error.reason)
            await self._forget(upload.id)
            raise
        except BaseException:
            # Also when we are cancelled: whoever comes next needn't wait for the end of our time.
            with suppress(Exception):
                await asyncio.shield(self._uploads.give_back(upload.id))
            raise
        if not await self._uploads.finish(upload.id, media):
            await self._forget(upload.id)
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
        return media

    async def _make_ready(self, upload: Upload) -> str:
        source = await self._take(upload)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX) as name:
            folder = Path(name)
            file = await self._storage.as_file(source, folder / SOURCE)
            try:
                await self._scanner.scan(file)
            except ScannerAway:
                raise not_ready() from None
            task = Task(file, upload.mime_type, self._rules.types, folder, self._rules.max_pixels)
            found = await self._workers.inspect(task)
            size = await self._keep(upload, source, found)
        metrics.COMPLETED.labels(found.kind).inc()
        return json_encoder.encode(_description(upload, found, size)).decode()

    async def _take(self, upload: Upload) -> str:
        """The object with the upload's bytes, where its client can't change it any more. Raises when there is none."""
        source, served = (object_of(object_name(upload.id, name)) for name in (SOURCE, FILE))
        name = incoming(upload.id)
        size = await self._storage.find_size(name)
        if size is not None:
            await self._storage.move(name, source)
        else:
            # Whoever began before us may have come so far, or so far.
            size = await self._storage.find_size(source)
            if size is None:
                source, size = served, await self._storage.find_size(served)
        if size is None:
            raise not_ready()
        if size != upload.size:
            raise Refused(f"The file has {size} bytes, and was announced with {upload.size}")
        return source

    async def _keep(self, upload: Upload, source: str, found: Inspected) -> int:
        """Put what is served into its place; returns its size in bytes."""
        served = object_of(object_name(upload.id, FILE))
        if found.thumbnail is not None:
            await self._storage.write_file(object_of(object_name(upload.id, THUMBNAIL)), found.thumbnail)
        if found.result is None:
            if source != served:
                await self._storage.move(source, served)
            return upload.size
        await self._storage.write_file(served, found.result)
        if source != served:
            await self._storage.delete([source])
        return found.result.stat().st_size

    async def _forget(self, upload_id: str) -> None:
        """Delete the objects of an upload that nobody may have. What fails is left to the sweep."""
        try:
            await self._storage.delete_all_of(upload_id)
        except STORE_ERRORS as error:
            log.warning("upload.not_deleted", upload_id=upload_id, error=repr(error))


def outcome_of(upload: Upload) -> str:
    """The JSON of an upload that its user asks for. Raises ProtocolError or Refused when there is none."""
    if upload.state in {State.READY, State.USED} and upload.media is not None:
        return upload.media
    if upload.state is State.REJECTED:
        raise Refused(upload.reason or "The file was refused")
    if upload.state is State.PROCESSING or (upload.state is State.RESERVED and upload.standing):
        raise not_ready()
    raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)


def not_ready() -> ProtocolError:
    """`upload_not_ready`, to be tried again in a second."""
    return ProtocolError(ErrorCode.UPLOAD_NOT_READY, retry_after=1)


def _description(upload: Upload, found: Inspected, size: int) -> Attachment:
    return Attachment(
        type=found.kind,
        url=object_name(upload.id, FILE),
        thumbnail=None if found.thumbnail is None else object_name(upload.id, THUMBNAIL),
        width=found.width,
        height=found.height,
        size=size,
        name=upload.name,
        upload_id=upload.id,
        mime_type=found.mime_type,
        duration_ms=found.duration_ms,
        blurhash=found.blurhash,
    )
