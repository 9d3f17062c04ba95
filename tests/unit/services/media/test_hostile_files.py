"""Every hostile file is refused, by a worker that stays within its memory and time, and the next file finds a worker."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from services.media.inspection.inspector import Inspected, Task
from services.media.inspection.refusal import Refused
from services.media.inspection.sniffing import KNOWN_TYPES
from services.media.inspection.workers import LOOK_SECONDS, Workers
from shared.protocol.errors import ErrorCode, ProtocolError
from tests.support.hostile_files import HOSTILE, LYING
from tests.support.uploads import File, opened, picture

MIB = 1024 * 1024
MAX_PIXELS = 50_000_000
MEMORY = 1024 * MIB
SECONDS = 60
"""More than the default: the machine may be busy. That the limit is kept has a test of its own."""


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    started = Workers(1, MEMORY, SECONDS)
    yield started
    await started.stop()


def processes() -> set[psutil.Process]:
    """Workers of this process, without the tracker of resources that the first of them brings along."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it just ended
            if any("spawn_main" in part for part in child.cmdline()):
                found.add(child)
    return found


def task(folder: Path, file: File) -> Task:
    source = folder / "source"
    source.write_bytes(file.data)
    return Task(source, file.mime_type, frozenset(KNOWN_TYPES), folder, MAX_PIXELS)


async def inspect(workers: Workers, folder: Path, file: File) -> Inspected:
    return await workers.inspect(task(folder, file))


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_is_refused(workers: Workers, tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused) as refusal:
        await inspect(workers, tmp_path, HOSTILE[name]())
    assert refusal.value.reason


@pytest.mark.parametrize("name", LYING)
async def test_a_recording_that_says_nonsense_has_no_duration(workers: Workers, tmp_path: Path, name: str) -> None:
    found = await inspect(workers, tmp_path, LYING[name]())
    assert (found.duration_ms, found.result, found.thumbnail) == (None, None, None)


async def test_a_file_that_takes_too_long_is_refused_alone(tmp_path: Path) -> None:
    hasty = Workers(1, MEMORY, 0.05)
    try:
        with pytest.raises(Refused, match=r"more than 0\.05 s"):
            # A first file waits for its worker to start, which takes longer than that.
            await inspect(hasty, tmp_path, File(picture(3000, 3000)))
    finally:
        await hasty.stop()


async def test_a_worker_that_waits_for_a_core_refuses_no_file(tmp_path: Path) -> None:
    seconds = 1.0
    patient = Workers(1, MEMORY, seconds)
    before = processes()
    try:
        await patient.warm()
        [worker] = processes() - before
        worker.suspend()
        looking = asyncio.create_task(inspect(patient, tmp_path, File(picture())))
        # All of its time passes, and what the pool takes to see that, while it has no core.
        await asyncio.wait([looking], timeout=2 * seconds + 2 * LOOK_SECONDS)
        worker.resume()
        assert (await looking).mime_type == "image/jpeg"
    finally:
        await patient.stop()


async def test_a_hanging_worker_is_given_up_and_the_client_may_retry(tmp_path: Path) -> None:
    impatient = Workers(1, MEMORY, SECONDS, wall_seconds=0.1)
    endless = task(tmp_path, File(b""))._replace(source=tmp_path / "pipe")
    os.mkfifo(endless.source)  # nobody writes into it: a reader waits, and uses no CPU time
    try:
        with pytest.raises(ProtocolError) as refusal:
            await impatient.inspect(endless)
        assert refusal.value.code is ErrorCode.UNAVAILABLE
    finally:
        await impatient.stop()


async def test_a_file_that_takes_too_much_memory_is_refused_alone(tmp_path: Path) -> None:
    small = Workers(1, 400 * MIB, SECONDS)
    try:
        with pytest.raises(Refused, match="memory"):
            await inspect(small, tmp_path, File(picture(7000, 7000, quality=20)))
        found = await inspect(small, tmp_path, File(picture()))
        assert (found.width, found.height) == (300, 200)
    finally:
        await small.stop()


async def test_several_files_are_looked_into_at_once_and_in_turn(tmp_path: Path) -> None:
    pool = Workers(2, MEMORY, SECONDS)
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        folder.mkdir()
    try:
        found = await asyncio.gather(*(inspect(pool, folder, File(picture())) for folder in folders))
    finally:
        await pool.stop()
    assert {one.mime_type for one in found} == {"image/jpeg"}
    assert all(opened((folder / "result").read_bytes()).size == (300, 200) for folder in folders)
