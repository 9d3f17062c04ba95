"""Pictures: decodes them, turns them upright, and encodes them again without metadata; makes a thumbnail and a blurhash.

It runs in a worker process (`workers`), which limits its memory and time. Encoding again makes a picture safe: EXIF, GPS,
comments, and data that is hidden after the picture are not copied.
"""

import struct
from pathlib import Path
from typing import Any, Final, NamedTuple

import blurhash
from PIL import Image, ImageOps, ImageSequence

from services.media.inspection.refusal import Refused

FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/avif": "AVIF",
}
"""MIME type → Pillow's name of the format."""
THUMBNAIL_PIXELS: Final = 640
"""Longest side of a thumbnail."""
THUMBNAIL_TYPE: Final = "image/webp"
MAX_FRAMES: Final = 1_000
MAX_ICC_BYTES: Final = 1024 * 1024
_DAMAGED: Final = (
    *(OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, ArithmeticError, struct.error),
    RuntimeError,  # libavif and libwebp
)
"""What decoders raise for broken files."""
_BLURHASH_PIXELS: Final = 32
_BLURHASH_COMPONENTS: Final = 4, 3
_KEPT_INFO: Final = frozenset({"transparency", "loop", "background", "gamma"})
"""Entries of Pillow's `info` that belong to the picture; the rest is metadata."""
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {"quality": 90, "optimize": True},
    "PNG": {"compress_level": 6},
    "GIF": {},
    "WEBP": {"quality": 90, "method": 2},
    "AVIF": {"quality": 80, "speed": 9},
}

Image.MAX_IMAGE_PIXELS = None
"""Pillow's own check only warns; ours is in `_check`, before any pixel is decoded."""


class Picture(NamedTuple):
    """A processed picture: sides in pixels of what is served."""

    width: int
    height: int
    blurhash: str


def convert(source: Path, mime_type: str, target: Path, thumbnail: Path, max_pixels: int) -> Picture:
    """Write the clean picture to `target` and a WebP of at most 640 × 640 to `thumbnail`. Raises Refused."""
    form = FORMATS[mime_type]
    try:
        with Image.open(source, formats=[form]) as opened:
            frames = _check(opened, max_pixels)
            profile = _profile(opened)
            opened.load()
            if frames > 1:
                return _animation(opened, form, target, thumbnail, profile)
            picture = _upright(opened, form)
        _write(picture, form, target, profile)
        return _thumbnail(picture, thumbnail, profile)
    except MemoryError:
        raise Refused("The picture needs too much memory; send a smaller one") from None
    except _DAMAGED as error:
        raise Refused(f"The picture is damaged or cut short ({type(error).__name__})") from error


def _check(opened: Image.Image, max_pixels: int) -> int:
    """Return the number of frames. Raises Refused for a picture that is too large to decode."""
    pixels = opened.width * opened.height
    if pixels > max_pixels:
        raise Refused(f"The picture has {opened.width} × {opened.height} pixels; at most {max_pixels:,} are accepted")
    frames = int(getattr(opened, "n_frames", 1))
    if frames > MAX_FRAMES or (frames > 1 and frames * pixels > 2 * max_pixels):
        raise Refused(f"The animation has {frames} frames of {opened.width} × {opened.height} pixels: too many")
    return frames


def _profile(opened: Image.Image) -> bytes | None:
    """Return the colour profile, without which colours would change."""
    profile = opened.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and len(profile) <= MAX_ICC_BYTES else None


def _upright(opened: Image.Image, form: str) -> Image.Image:
    picture = ImageOps.exif_transpose(opened)
    picture.info = {name: value for name, value in picture.info.items() if name in _KEPT_INFO}
    if form == "JPEG" and picture.mode not in {"L", "RGB"}:
        return picture.convert("RGB")
    return picture


def _write(picture: Image.Image, form: str, target: Path, profile: bytes | None) -> None:
    picture.save(target, form, exif=b"", icc_profile=profile, **_OPTIONS[form])


def _animation(opened: Image.Image, form: str, target: Path, thumbnail: Path, profile: bytes | None) -> Picture:
    """Write the frames of an animation. They aren't turned: EXIF orientation doesn't apply to animations."""
    first, times = opened.convert("RGBA"), []
    for frame in ImageSequence.Iterator(opened):
        frame.load()  # Only after this does Pillow know the duration of a WebP frame.
        times.append(round(frame.info.get("duration", 0)))
    opened.seek(0)
    opened.info = {name: value for name, value in opened.info.items() if name in _KEPT_INFO}
    opened.save(
        target, form, save_all=True, duration=times, exif=b"", comment=b"", icc_profile=profile, **_OPTIONS[form]
    )
    return _thumbnail(first, thumbnail, profile)


def _thumbnail(picture: Image.Image, thumbnail: Path, profile: bytes | None) -> Picture:
    small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if max(picture.size) > THUMBNAIL_PIXELS:
        small = small.resize(_fitting(picture), Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.info = {}
    small.save(thumbnail, "WEBP", quality=80, method=4, exif=b"", icc_profile=profile)
    return Picture(picture.width, picture.height, _blurhash(small))


def _fitting(picture: Image.Image) -> tuple[int, int]:
    """Return the thumbnail's sides in pixels, each at least 1."""
    scale = THUMBNAIL_PIXELS / max(picture.size)
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def _blurhash(picture: Image.Image) -> str:
    tiny = picture.convert("RGB").resize((_BLURHASH_PIXELS, _BLURHASH_PIXELS))
    rows = [[list(tiny.getpixel((x, y))) for x in range(_BLURHASH_PIXELS)] for y in range(_BLURHASH_PIXELS)]  # type: ignore[arg-type]
    return str(blurhash.encode(rows, *_BLURHASH_COMPONENTS))
