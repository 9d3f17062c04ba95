"""`complete`: inspects the bytes of an upload, stores the result, and describes it. A repeated call gets the same answer.

The row always has the true state: when a process dies, the upload stays in `processing`, and the next `complete` takes it over as
soon as the first one's time is up.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

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
"""How long one upload may be processed here, including all waits."""
LEASE_SECONDS: Final = PROCESSING_SECONDS + 30
MAX_WAITING: Final = 200
"""Completions of one replica that are under way or wait for their turn."""
MAX_WAITING_OF_USER: Final = 50
"""The same of one user."""
USER_SHARE: Final = 4
"""Of so many slots, one user's uploads take one, so that files which take long to inspect delay nobody else's."""
ELSEWHERE_SECONDS: Final = 15
"""How long a repeated `complete` waits for one that is under way elsewhere."""
POLL_SECONDS: Final = 0.25
TEMPORARY_PREFIX: Final = "chat-upload-"


class Rules(NamedTuple):
    """What is accepted: MIME types, and the most pixels of one picture."""

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
        self._slots_of_user = max(1, slots // USER_SHARE)
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._waiting: Counter[str] = Counter()

    async def complete(self, user_id: str, upload_id: str) -> str:
        """Complete the user's upload.

        Returns its JSON, with object names for URLs. Raises ProtocolError, Refused, STORE_ERRORS.
        """
        with metrics.COMPLETION_SECONDS.time(), span("media.complete", "consumer") as traced:
            name_ids(traced, upload_ids=(upload_id,), user_ids=(user_id,))
            async with self._slot(user_id):
                upload = await self._uploads.begin(upload_id, user_id, LEASE_SECONDS)
                if upload is not None:
                    return await self._process(upload)
            return await self._standing(user_id, upload_id)

    @asynccontextmanager
    async def _slot(self, user_id: str) -> AsyncIterator[None]:
        """Wait for the user's turn, and then for a slot. Raises ProtocolError (unavailable) when too many wait."""
        if self._waiting.total() >= MAX_WAITING or self._waiting[user_id] >= MAX_WAITING_OF_USER:
            raise ProtocolError(ErrorCode.UNAVAILABLE)
        turns = self._turns.setdefault(user_id, asyncio.Semaphore(self._slots_of_user))
        self._waiting[user_id] += 1
        try:
            async with turns, self._slots:
                yield
        finally:
            self._waiting -= Counter((user_id,))

    async def _standing(self, user_id: str, upload_id: str) -> str:
        """Return the outcome of an upload that must not be processed now. When another replica processes it, wait for that."""
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
            finished = await self._uploads.finish(upload.id, media)
        except Refused as error:
            metrics.REFUSED.labels("complete").inc()
            log.info("upload.refused", upload_id=upload.id, user_id=upload.user_id, reason=error.reason)
            if await self._uploads.reject(upload.id, error.reason):
                await _or_sweep(upload.id, self._storage.delete_all_of(upload.id))
            raise
        except BaseException:
            # Also on cancellation, so that the next `complete` needn't wait until our time is up.
            with suppress(Exception):
                await asyncio.shield(self._uploads.give_back(upload.id))
            raise
        if finished:
            # Not before: without the original, nobody could finish what this process began.
            await _or_sweep(upload.id, self._storage.delete([object_of(object_name(upload.id, SOURCE))]))
            return media
        # It was released meanwhile. Or this process stood still for longer than its lease, and another one has finished.
        found = await self._uploads.find(upload.id)
        if found is None or found.state in {State.RELEASED, State.DELETED}:
            await _or_sweep(upload.id, self._storage.delete_all_of(upload.id))
            raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)
        return outcome_of(found)

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
        """Move the upload's bytes to an object that the client can't change, and return its name.

        Raises when there are no bytes.
        """
        source, served = (object_of(object_name(upload.id, name)) for name in (SOURCE, FILE))
        name = incoming(upload.id)
        # An earlier attempt may have moved the object already, or not. Its size is asked for when the client can't change it.
        if await self._storage.find_size(name) is not None:
            await self._storage.move(name, source)
        size = await self._storage.find_size(source)
        if size is None:
            source, size = served, await self._storage.find_size(served)
        if size is None:
            raise not_ready()
        if size != upload.size:
            raise Refused(f"The file has {size} bytes, but {upload.size} were announced")
        return source

    async def _keep(self, upload: Upload, source: str, found: Inspected) -> int:
        """Store the object that will be served, and return its size in bytes."""
        served = object_of(object_name(upload.id, FILE))
        if found.thumbnail is not None:
            await self._storage.write_file(object_of(object_name(upload.id, THUMBNAIL)), found.thumbnail)
        if found.result is None:
            if source != served:
                await self._storage.move(source, served)
            return upload.size
        await self._storage.write_file(served, found.result)
        return found.result.stat().st_size


async def _or_sweep(upload_id: str, deletion: Awaitable[None]) -> None:
    """Await the deletion of objects. When it fails, the sweep does it."""
    try:
        await deletion
    except STORE_ERRORS as error:
        log.warning("upload.not_deleted", upload_id=upload_id, error=repr(error))


def outcome_of(upload: Upload) -> str:
    """Return the JSON of a completed upload. Raises ProtocolError or Refused when there is none."""
    if upload.state in {State.READY, State.USED} and upload.media is not None:
        return upload.media
    if upload.state is State.REJECTED:
        raise Refused(upload.reason or "The file was refused")
    if upload.state is State.PROCESSING or (upload.state is State.RESERVED and upload.standing):
        raise not_ready()
    raise ProtocolError(ErrorCode.UPLOAD_NOT_FOUND)


def not_ready() -> ProtocolError:
    """Return the error `upload_not_ready`, with a retry after one second."""
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
