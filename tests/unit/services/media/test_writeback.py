"""An upload reaches the disk while it comes: Linux never holds much that it would write all at once."""

import ctypes
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from services.media import storage
from services.media.storage import CHUNK_BYTES, Storage
from services.media.writeback import INTERVAL_BYTES, begin_writeback
from tests.support.waiting import eventually

CHUNKS: Final = 32
CACHESTAT: Final = 451
"""Its number as a system call (cachestat(2), Linux 6.5)."""
SOON_SECONDS: Final = 10
"""Linux itself waits for 30 seconds."""


class Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class Pages(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("cached", "changed", "in_writing", "evicted", "evicted_recently")
    )


def changed_pages(file: Path) -> int | None:
    """Pages of the file that nobody has begun to write; None where Linux can't tell."""
    descriptor, pages = os.open(file, os.O_RDONLY), Pages()
    try:
        failed = ctypes.CDLL(None).syscall(CACHESTAT, descriptor, ctypes.byref(Range(0, 0)), ctypes.byref(pages), 0)
        return None if failed else int(pages.changed)
    finally:
        os.close(descriptor)


async def test_a_growing_file_is_written_each_time_that_it_has_grown_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    monkeypatch.setattr(storage, "begin_writeback", lambda file: seen.append((file.name, file.stat().st_size)))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield bytes(CHUNK_BYTES)

    await Storage(f"file://{tmp_path}").write("incoming/a", chunks())
    total = CHUNKS * CHUNK_BYTES
    assert seen[-1] == ("a", total), "nothing is left over"
    growing = [size for name, size in seen[:-1] if name.startswith("a#")]
    assert len(growing) == total // INTERVAL_BYTES
    assert all(
        later - earlier <= 2 * INTERVAL_BYTES for earlier, later in zip([0, *growing], [*growing, total], strict=True)
    )


async def test_linux_begins_to_write_what_is_new() -> None:
    """In the checkout, because a folder for temporary files may have no disk."""
    with tempfile.NamedTemporaryFile(dir=Path(__file__).parent) as file:
        path = Path(file.name)
        file.write(bytes(4 * INTERVAL_BYTES))
        file.flush()
        if changed_pages(path) is None:
            pytest.skip("cachestat(2) came with Linux 6.5")

        async def all_begun() -> bool:
            begin_writeback(path)
            return changed_pages(path) == 0

        assert changed_pages(path)
        await eventually(all_begun, SOON_SECONDS)


def test_a_file_that_is_gone_is_no_error(tmp_path: Path) -> None:
    begin_writeback(tmp_path / "gone")
