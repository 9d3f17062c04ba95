"""A file's type comes from its bytes; the announced type decides only between types that the bytes allow."""

from pathlib import Path

import pytest

from services.media.inspection.inspector import Task, inspect
from services.media.inspection.refusal import Refused
from services.media.inspection.sniffing import DOCUMENTS, KNOWN_TYPES, canonical, types_of
from tests.support.hostile_files import archive
from tests.support.uploads import picture, sound

WORD, SHEET, SLIDES = DOCUMENTS.values()


def document(folder: str) -> bytes:
    return archive(**{"[Content_Types].xml": b"<Types/>", f"{folder}document.xml": b"<x/>"})


FILES = [
    (picture(form="JPEG"), "image/jpeg"),
    (picture(form="PNG"), "image/png"),
    (picture(form="GIF"), "image/gif"),
    (picture(form="WEBP"), "image/webp"),
    (picture(form="AVIF"), "image/avif"),
    (b"\0\0\0\x18ftypisom" + bytes(12), "video/mp4"),
    (b"\0\0\0\x14ftypqt  " + bytes(8), "video/quicktime"),
    (b"\0\0\0\x18ftypM4A " + bytes(12), "audio/mp4"),
    (b"\x1a\x45\xdf\xa3" + bytes(30), "video/webm"),
    (b"ID3\x04" + bytes(30), "audio/mpeg"),
    (b"\xff\xfb\x90\x00" + bytes(30), "audio/mpeg"),
    (b"\xff\xf1\x50\x80" + bytes(30), "audio/aac"),
    (b"OggS" + bytes(30), "audio/ogg"),
    (b"fLaC" + bytes(30), "audio/flac"),
    (sound(), "audio/wav"),
    (b"%PDF-1.7\n", "application/pdf"),
    (archive(a=b"x"), "application/zip"),
    (document("word/"), WORD),
    (document("xl/"), SHEET),
    (document("ppt/"), SLIDES),
    ("Grüße\n".encode(), "text/plain"),
    (b"\x00\x01\x02\x03", "application/octet-stream"),
]


def test_every_type_that_may_be_allowed_is_told() -> None:
    assert {*(mime_type for _, mime_type in FILES), "audio/webm"} == set(KNOWN_TYPES)


@pytest.mark.parametrize(("data", "mime_type"), FILES, ids=[mime_type for _, mime_type in FILES])
def test_the_type_is_found_in_the_bytes(tmp_path: Path, data: bytes, mime_type: str) -> None:
    file = tmp_path / "evil.html"
    file.write_bytes(data)
    assert types_of(file)[0] == mime_type


def look(folder: Path, data: bytes, declared: str, allowed: tuple[str, ...] = KNOWN_TYPES) -> str:
    file = folder / "file"
    file.write_bytes(data)
    return inspect(Task(file, declared, frozenset(allowed), folder, 1_000_000)).mime_type


@pytest.mark.parametrize(
    ("data", "declared", "mime_type"),
    [
        (b"\x1a\x45\xdf\xa3" + bytes(30), "audio/webm;codecs=opus", "audio/webm"),
        (b"\0\0\0\x18ftypisom" + bytes(12), "audio/mp4", "audio/mp4"),
        (document("word/"), "application/zip", "application/zip"),
        (b"a,b\n1,2\n", "text/csv; charset=utf-8", "text/plain"),
        (picture(), "IMAGE/JPG", "image/jpeg"),
        (picture(), "application/octet-stream", "image/jpeg"),
        (b"just text", "application/octet-stream", "application/octet-stream"),
    ],
)
def test_the_sender_decides_between_two_readings(tmp_path: Path, data: bytes, declared: str, mime_type: str) -> None:
    assert look(tmp_path, data, declared) == mime_type


def test_a_type_that_the_operator_doesn_t_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="application/pdf"):
        look(tmp_path, b"%PDF-1.7\n", "application/octet-stream", ("image/jpeg", "application/octet-stream"))


def test_names_of_types_have_one_spelling() -> None:
    assert canonical(" Audio/X-M4A ; x=1") == "audio/mp4"


@pytest.mark.parametrize("seconds", [0.25, 2.0])
def test_a_sound_says_how_long_it_plays(tmp_path: Path, seconds: float) -> None:
    file = tmp_path / "file"
    file.write_bytes(sound(seconds))
    found = inspect(Task(file, "audio/wav", frozenset(KNOWN_TYPES), tmp_path, 1000))
    assert found.duration_ms == round(seconds * 1000)
