"""Bytes pass through: what a client sends is on the disk before the next is asked for, and what is read comes in small parts."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from services.media.storage import CHUNK_BYTES, LOCAL_PART_BYTES, Storage

CHUNKS: Final = 64
CHUNK: Final = os.urandom(CHUNK_BYTES)
MOST_BYTES: Final = 4 * LOCAL_PART_BYTES
"""In memory at once, of a transfer of eight times as much."""


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def test_nothing_is_held_whole_in_memory(tmp_path: Path) -> None:
    storage = Storage(f"file://{tmp_path}")
    held: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(CHUNKS):
            held.append(number * CHUNK_BYTES - on_disk(tmp_path))
            yield CHUNK

    await storage.write("incoming/a", chunks())
    assert max(held) <= MOST_BYTES
    sizes = [len(part) async for part in storage.read("incoming/a", 0, CHUNKS * CHUNK_BYTES)]
    assert sum(sizes) == CHUNKS * CHUNK_BYTES
    assert max(sizes) <= MOST_BYTES
