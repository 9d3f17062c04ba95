"""Recordings: how long they play and a poster where ffmpeg is installed, the duration alone where it isn't."""

import asyncio
import os
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.media.inspection import recordings
from services.media.inspection.inspector import Inspected, Task
from services.media.inspection.sniffing import KNOWN_TYPES
from services.media.inspection.workers import Workers
from tests.support.hostile_files import film_of_one_frame
from tests.support.uploads import opened, sound

SECONDS = 3
MEMORY = 1024 * 1024 * 1024


def ffmpeg(target: Path, *options: str) -> Path:
    """A recording that ffmpeg makes."""
    subprocess.run(["ffmpeg", "-v", "error", *options, "-y", str(target)], check=True, stdin=subprocess.DEVNULL)
    return target


def video(target: Path, *options: str) -> Path:
    return ffmpeg(target, "-f", "lavfi", "-i", f"testsrc=duration={SECONDS}:size=320x180:rate=10", *options)


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    """One worker, with the limits that it has in production."""
    started = Workers(1, MEMORY, 60)
    yield started
    await started.stop()


async def look(workers: Workers, file: Path, mime_type: str) -> Inspected:
    """What a worker says."""
    folder = file.parent / "made"
    folder.mkdir()
    return await workers.inspect(Task(file, mime_type, frozenset(KNOWN_TYPES), folder, 1_000_000))


@pytest.mark.parametrize(
    ("name", "mime_type"), [("a.mp4", "video/mp4"), ("a.webm", "video/webm"), ("a.mov", "video/quicktime")]
)
async def test_a_video_has_a_size_a_duration_and_a_poster(
    workers: Workers, tmp_path: Path, name: str, mime_type: str
) -> None:
    found = await look(workers, await asyncio.to_thread(video, tmp_path / name), mime_type)
    assert (found.kind, found.mime_type, found.width, found.height) == ("video", mime_type, 320, 180)
    assert found.duration_ms == pytest.approx(SECONDS * 1000, abs=150)
    assert found.thumbnail is not None
    assert found.blurhash is not None
    assert opened(found.thumbnail.read_bytes()).size == (320, 180)


async def test_a_video_that_players_turn_says_its_size_as_it_is_seen(workers: Workers, tmp_path: Path) -> None:
    turned = await asyncio.to_thread(video, tmp_path / "turned.mp4")
    data = bytearray(turned.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO/IEC 14496-12, section 8.3.2, version 0
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    turned.write_bytes(data)
    found = await look(workers, turned, "video/mp4")
    assert (found.width, found.height) == (180, 320)
    assert found.thumbnail is not None
    assert opened(found.thumbnail.read_bytes()).size == (180, 320)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.ogg", "a.flac"])
@pytest.mark.parametrize("installed", [True, False], ids=["ffprobe", "without"])
def test_a_sound_says_how_long_it_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, installed: bool
) -> None:
    file = ffmpeg(tmp_path / name, "-f", "lavfi", "-i", f"sine=duration={SECONDS}")
    if not installed:
        monkeypatch.setenv("PATH", "")
    found = recordings.describe(file)
    assert found.duration_ms == pytest.approx(SECONDS * 1000, abs=150)


def test_without_ffmpeg_a_video_has_a_duration_and_no_poster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = video(tmp_path / "a.mp4")
    monkeypatch.setenv("PATH", "")
    assert recordings.describe(file) == (SECONDS * 1000, None, None)
    assert not recordings.poster(file, tmp_path / "poster.png")


@pytest.mark.parametrize(("name", "mime_type"), [("film.mp4", "video/mp4"), ("film.mov", "video/quicktime")])
async def test_a_film_loses_the_place_where_it_was_made(
    workers: Workers, tmp_path: Path, name: str, mime_type: str
) -> None:
    tags = ("-metadata", "location=+13.7563+100.5018/", "-metadata", "comment=at home")
    file = video(tmp_path / name, *tags, "-movflags", "use_metadata_tags")
    assert b"+13.7563" in file.read_bytes()
    found = await look(workers, file, mime_type)
    assert found.result is not None
    served = found.result.read_bytes()
    assert b"+13.7563" not in served
    assert b"at home" not in served
    again = recordings.describe(found.result)
    assert (again.width, again.height, again.duration_ms) == (found.width, found.height, found.duration_ms)


async def test_a_film_whose_frames_overlap_is_not_copied_to_any_size(workers: Workers, tmp_path: Path) -> None:
    """Its copy would fill the disk, and then the store: what counts against a quota is the size of the source."""
    file = tmp_path / "a.mov"
    file.write_bytes(film_of_one_frame(2_000))
    found = await look(workers, file, "video/quicktime")
    assert found.duration_ms == 200_000
    assert found.result is None


def test_a_playlist_makes_ffmpeg_read_nothing_else(tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sound())
    playlist = tmp_path / "a.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x\n#EXTINF:1,\nconcat:{secret}\n#EXT-X-ENDLIST\n")
    assert recordings.describe(playlist).duration_ms is None
    assert not recordings.poster(playlist, tmp_path / "poster.png")


def test_a_program_that_gets_no_core_leaves_no_film_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film whose strip was not finished must not be served as it came."""
    slow = tmp_path / "ffmpeg"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(recordings, "PROBE_SECONDS", 0.1)
    with pytest.raises(TimeoutError, match="ffmpeg"):
        recordings.strip(tmp_path / "a.mp4", "video/mp4", tmp_path / "stripped")
