"""Where the bytes are: one object store (obstore), a folder of this machine or a bucket.

Three names for each upload: `incoming/<id>`, to which its client writes; `objects/<id>/source`, the same bytes once media has
taken them, out of the client's reach; and what is served, `objects/<id>/<variant>`. Nothing here holds a whole object in memory.
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

CHUNK_BYTES: Final = 256 * 1024
"""What a transfer holds at once when it reads."""
PART_BYTES: Final = 5 * 1024 * 1024
"""Parts of an upload to a bucket (S3: at least 5 MiB but for the last)."""
LOCAL_PART_BYTES: Final = 512 * 1024
REQUEST_SECONDS: Final = 30
RETRIES: Final = 3
PAGE: Final = 500
INCOMING: Final = "incoming"
OBJECTS: Final = "objects"
SOURCE: Final = "source"

STORE_ERRORS: Final = (BaseError, OSError, TimeoutError)
"""What the store raises when it is away or refuses; `FileNotFoundError` is among them."""


class Stored(NamedTuple):
    """An object of the store. `name`: its whole name; `size` in bytes."""

    name: str
    size: int
    modified_at: datetime

    @property
    def upload_id(self) -> str:
        """The upload that it belongs to."""
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
        self.presigns = direct and not self.local
        self.headers = {"x-ms-blob-type": "BlockBlob"} if isinstance(self._store, AzureStore) else {}
        """What a client has to send with the bytes, beside their type (Azure, «Put Blob»)."""
        self._presigner = Presigner(self._store, given)
        self._part_bytes = LOCAL_PART_BYTES if self.local else PART_BYTES

    async def presign(self, upload_id: str, size: int, seconds: float) -> str:
        """A URL of the bucket itself that takes the `size` bytes of an upload by PUT. Only where `presigns`."""
        return await self._presigner.sign(incoming(upload_id), size, seconds)

    async def write(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Store what `chunks` give, whole or not at all: what they raise ends it without a trace."""
        await obstore.put_async(self._store, name, chunks, chunk_size=self._part_bytes, max_concurrency=1)

    async def write_file(self, name: str, file: Path) -> None:
        """Store a file of this machine."""
        await obstore.put_async(self._store, name, file, chunk_size=self._part_bytes, max_concurrency=1)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end`, without it, in chunks. Raises FileNotFoundError before the first."""
        if start == end:
            return
        result = await obstore.get_async(self._store, name, options={"range": (start, end)})
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    async def as_file(self, name: str, file: Path) -> Path:
        """A file of this machine with an object's bytes, not to be changed: the object itself, or a copy made at `file`."""
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            return Path(self._store.prefix) / name
        result = await obstore.get_async(self._store, name)
        with file.open("wb") as target:
            async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
                await asyncio.to_thread(target.write, chunk)
        return file

    async def find_size(self, name: str) -> int | None:
        """How large an object is, or None when there is none."""
        try:
            return int((await obstore.head_async(self._store, name))["size"])
        except FileNotFoundError:
            return None

    async def move(self, name: str, to: str) -> None:
        """Give an object another name. Of a bucket this is a copy and a deletion: a crash may leave both."""
        await obstore.rename_async(self._store, name, to)

    async def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those that don't exist are no error."""
        for name in names:
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                continue

    async def delete_all_of(self, upload_id: str) -> None:
        """Delete every object of an upload."""
        await self.delete([f"{INCOMING}/{upload_id}", *(o.name for o in await self._of(upload_id))])

    async def clear_partial(self, older_than_seconds: float) -> int:
        """Delete what writers left behind that were killed; a bucket's own lifecycle rule does that there."""
        if not isinstance(self._store, LocalStore) or self._store.prefix is None:
            return 0
        return await asyncio.to_thread(_clear_partial, Path(self._store.prefix), older_than_seconds)

    async def pages(self, *prefixes: str) -> AsyncIterator[list[Stored]]:
        """Every object, a page at a time; with `prefixes` (`INCOMING`, `OBJECTS`) only those."""
        for prefix in prefixes or (INCOMING, OBJECTS):
            async for page in obstore.list(self._store, prefix, chunk_size=PAGE):
                yield [_stored(meta) for meta in page]

    async def ping(self) -> None:
        """Raises when the store doesn't answer."""
        await self.find_size(f"{INCOMING}/ping")

    async def _of(self, upload_id: str) -> list[Stored]:
        found = await obstore.list(self._store, f"{OBJECTS}/{upload_id}/").collect_async()
        return [_stored(meta) for meta in found]


def incoming(upload_id: str) -> str:
    """Where a client's bytes go."""
    return f"{INCOMING}/{upload_id}"


def object_of(name: str) -> str:
    """Where what `name` (`<upload id>/<variant>`) serves is kept."""
    return f"{OBJECTS}/{name}"


def _clear_partial(folder: Path, older_than_seconds: float) -> int:
    """Obstore writes `name#1` first, and renames it when it is whole."""
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
