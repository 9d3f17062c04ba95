"""The store of the bytes: one object store (obstore), which is a local folder or a bucket.

Each upload has three kinds of objects. Its client writes `incoming/<id>`. Media moves that to `objects/<id>/source`, where the
client can't change it. `objects/<id>/<variant>` is served. No whole object is ever held in memory.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, LocalStore, from_url

from services.media.presigning import Presigner
from services.media.writeback import INTERVAL_BYTES, begin_writeback

CHUNK_BYTES: Final = 256 * 1024
"""Bytes of one read."""
PART_BYTES: Final = 5 * 1024 * 1024
"""Bytes of a part of a multipart upload (S3 requires at least 5 MiB, except for the last part)."""
LOCAL_PART_BYTES: Final = 512 * 1024
REQUEST_SECONDS: Final = 30
RETRIES: Final = 3
PAGE: Final = 500
PARTIAL: Final = "#1"
"""What obstore appends to the name of a local file until it is complete."""
INCOMING: Final = "incoming"
OBJECTS: Final = "objects"
SOURCE: Final = "source"

STORE_ERRORS: Final = (BaseError, OSError, TimeoutError)
"""Errors of the store when it is away or refuses. They include `FileNotFoundError`."""


class Stored(NamedTuple):
    """An object of the store. `name`: its full name; `size` in bytes."""

    name: str
    size: int
    modified_at: datetime

    @property
    def upload_id(self) -> str:
        """Return the id of its upload."""
        return self.name.split("/")[1]


class Storage:
    """The store at `url`. Every method raises STORE_ERRORS."""

    def __init__(self, url: str, options: str | None = None, *, direct: bool = True) -> None:
        given = _parse(options or "")
        if url.startswith("file://"):
            self._store: Any = from_url(url, mkdir=True, automatic_cleanup=True)
        else:
            self._store = from_url(
                url,
                config=cast("Any", given),
                client_options={"timeout": timedelta(seconds=REQUEST_SECONDS), "allow_http": True},
                retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=REQUEST_SECONDS)},
            )
        self.local = isinstance(self._store, LocalStore)
        self._folder = Path(self._store.prefix) if self.local and self._store.prefix is not None else None
        """Where a local store keeps its objects."""
        self.presigns = direct and not self.local
        self.headers = {"x-ms-blob-type": "BlockBlob"} if isinstance(self._store, AzureStore) else {}
        """Headers that a client must send with the bytes, beside their type (Azure, «Put Blob»)."""
        self._presigner = Presigner(self._store, given)
        self._part_bytes = LOCAL_PART_BYTES if self.local else PART_BYTES

    async def presign(self, upload_id: str, size: int, seconds: float) -> str:
        """Return a URL of the bucket for a PUT of the upload's `size` bytes. Call it only when `presigns`."""
        return await self._presigner.sign(incoming(upload_id), size, seconds)

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the bytes of `chunks`, completely or not at all. When `chunks` raises, nothing is stored."""
        if self._folder is not None:
            chunks = _written_back(chunks, self._folder / f"{name}{PARTIAL}")
        await obstore.put_async(self._store, name, chunks, chunk_size=self._part_bytes, max_concurrency=1)
        await self._write_back(name)

    async def write_file(self, name: str, file: Path) -> None:
        """Store a local file."""
        await obstore.put_async(self._store, name, file, chunk_size=self._part_bytes, max_concurrency=1)
        await self._write_back(name)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to `end` (exclusive), in chunks. Raises FileNotFoundError before the first one."""
        if start == end:
            return
        result = await obstore.get_async(self._store, name, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def as_file(self, name: str, file: Path) -> Path:
        """Return a local file with an object's bytes: the object itself, or a copy at `file`. The caller must not change it."""
        if self._folder is not None:
            return self._folder / name
        result = await obstore.get_async(self._store, name)
        with file.open("wb") as target:
            async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
                await asyncio.to_thread(target.write, chunk)
        return file

    async def find_size(self, name: str) -> int | None:
        """Return an object's size in bytes, or None when there is none."""
        try:
            return int((await obstore.head_async(self._store, name))["size"])
        except FileNotFoundError:
            return None

    async def move(self, name: str, to: str) -> None:
        """Rename an object. In a bucket this is a copy and a deletion, so a crash may leave both."""
        await obstore.rename_async(self._store, name, to)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete objects. It is no error when they don't exist."""
        for name in names:
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                continue

    async def delete_all_of(self, upload_id: str) -> None:
        """Delete every object of an upload."""
        await self.delete([f"{INCOMING}/{upload_id}", *(o.name for o in await self._of(upload_id))])

    async def clear_partial(self, older_than_seconds: float) -> int:
        """Delete partial files of writers that were killed. (In a bucket, a lifecycle rule must do that.)"""
        if self._folder is None:
            return 0
        return await asyncio.to_thread(_clear_partial, self._folder, older_than_seconds)

    async def pages(self, *prefixes: str) -> AsyncIterator[list[Stored]]:
        """Yield all objects, a page at a time; with `prefixes` (`INCOMING`, `OBJECTS`) only those."""
        for prefix in prefixes or (INCOMING, OBJECTS):
            async for page in obstore.list(self._store, prefix, chunk_size=PAGE):
                yield [_stored(meta) for meta in page]

    async def ping(self) -> None:
        """Raise STORE_ERRORS when the store doesn't answer."""
        await self.find_size(f"{INCOMING}/ping")

    async def _write_back(self, name: str) -> None:
        if self._folder is not None:
            await asyncio.to_thread(begin_writeback, self._folder / name)

    async def _of(self, upload_id: str) -> list[Stored]:
        found = await obstore.list(self._store, f"{OBJECTS}/{upload_id}/").collect_async()
        return [_stored(meta) for meta in found]


def incoming(upload_id: str) -> str:
    """Return the name of the object that the client writes."""
    return f"{INCOMING}/{upload_id}"


def object_of(name: str) -> str:
    """Return the name of the object that is served as `name` (`<upload id>/<variant>`)."""
    return f"{OBJECTS}/{name}"


async def _written_back(chunks: AsyncIterator[bytes], file: Path) -> AsyncIterator[bytes]:
    """Yield `chunks`, and let the disk write `file`, which grows by them."""
    waiting = 0
    async for chunk in chunks:
        yield chunk
        waiting += len(chunk)
        if waiting >= INTERVAL_BYTES:
            waiting = 0
            await asyncio.to_thread(begin_writeback, file)


def _clear_partial(folder: Path, older_than_seconds: float) -> int:
    """Delete old partial files."""
    before, cleared = time.time() - older_than_seconds, 0
    for file in folder.glob("**/*#*"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < before:
                file.unlink()
                cleared += 1
    return cleared


def _stored(meta: Any) -> Stored:
    return Stored(meta["path"], meta["size"], meta["last_modified"])


def _parse(options: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in options.split(",") if item.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}
