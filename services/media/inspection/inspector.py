"""Inspects one file: checks that it has the type that its sender says, and that this type is allowed, and makes what is served.

It runs in a worker process. Source, result and thumbnail are files.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image

from services.media.inspection import images, recordings
from services.media.inspection.refusal import Refused
from services.media.inspection.sniffing import UNKNOWN, canonical, hides_another, types_of

Kind = Literal["image", "video", "audio", "file"]


class Task(NamedTuple):
    """An inspection: the file, the type that its sender says, what is allowed, and a folder for the results."""

    source: Path
    declared: str
    allowed: frozenset[str]
    folder: Path
    max_pixels: int


class Inspected(NamedTuple):
    """The result of an inspection.

    `result`: the file to serve, None for the unchanged source; `thumbnail` if there is one. Sides (pixels) and `duration_ms`
    describe what is served.
    """

    kind: Kind
    mime_type: str
    result: Path | None = None
    thumbnail: Path | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    blurhash: str | None = None


def warm() -> None:
    """Load libraries, so that the first file needn't wait for them."""
    Image.init()


def inspect(task: Task) -> Inspected:
    """Inspect a file. Raises Refused, with the reason for its sender."""
    mime_type = _type(task)
    kind = kind_of(mime_type)
    if kind != "file" and hides_another(task.source):
        raise Refused("The file is a picture or recording and something else at the same time")
    if kind == "image":
        return _image(task, mime_type)
    if kind == "file":
        return Inspected(kind, mime_type)
    return _recording(task, kind, mime_type)


def kind_of(mime_type: str) -> Kind:
    """Return how a chat shows a type."""
    if mime_type in images.FORMATS:
        return "image"
    family = mime_type.partition("/")[0]
    if family == "video":
        return "video"
    return "audio" if family == "audio" else "file"


def _type(task: Task) -> str:
    """Return the type of the bytes, when it is the one that the sender says. Raises Refused."""
    declared, found = canonical(task.declared), types_of(task.source)
    if declared in found:
        mime_type = declared
    elif declared == UNKNOWN:
        mime_type = found[0]
    else:
        raise Refused(f"The file says that it is {declared}, and is {found[0]}")
    if mime_type not in task.allowed:
        raise Refused(f"Files of the type {mime_type} are not accepted here")
    return mime_type


def _image(task: Task, mime_type: str) -> Inspected:
    result, thumbnail = task.folder / "result", task.folder / "thumbnail"
    width, height, blurhash = images.convert(task.source, mime_type, result, thumbnail, task.max_pixels)
    return Inspected("image", mime_type, result, thumbnail, width, height, blurhash=blurhash)


def _recording(task: Task, kind: Kind, mime_type: str) -> Inspected:
    found = recordings.describe(task.source)
    stripped = task.folder / "result"
    result = stripped if recordings.strip(task.source, mime_type, stripped) else None
    plain = Inspected(kind, mime_type, result, None, found.width, found.height, found.duration_ms)
    frame, thumbnail = task.folder / "poster.png", task.folder / "thumbnail"
    if kind != "video" or not recordings.poster(task.source, frame):
        return plain
    try:
        preview = images.convert(frame, "image/png", task.folder / "unused", thumbnail, task.max_pixels)
    except Refused:
        return plain
    width, height = found.width or preview.width, found.height or preview.height
    return plain._replace(thumbnail=thumbnail, blurhash=preview.blurhash, width=width, height=height)
