"""Sound and video: reads the duration, and with ffmpeg also a video's size and a poster frame.

It runs in a worker process (`workers`). Without ffmpeg, tinytag (pure Python) reads the duration, which is then unknown for WebM.
Functions that start a program raise TimeoutError when it didn't come to an end: what is served of a file must not depend on how
busy the machine was.
"""

import json
import math
import resource
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

from tinytag import TinyTag, TinyTagException

PROBE_SECONDS: Final = 25
"""How long one run of a program may take: long, since on a busy machine it may wait for its CPU time (`_CPU_SECONDS`)."""
MAX_DURATION_SECONDS: Final = 10 * 24 * 3600
MIN_BITS_A_SECOND: Final = 250
"""With fewer bits a second, the duration in the header can't be true: speech codecs begin at 450."""
_CPU_SECONDS: Final = 10
MUXERS: Final = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/mp4": "ipod",
    "audio/webm": "webm",
}
"""Types that cameras and phones record → ffmpeg's name of the container format."""


class Recording(NamedTuple):
    """What is known of a recording. Sides in pixels; None where there are none, or they are unknown."""

    duration_ms: int | None = None
    width: int | None = None
    height: int | None = None


def describe(file: Path) -> Recording:
    """Return duration and size, as far as they can be read."""
    has_ffprobe = shutil.which("ffprobe") is not None
    found = _probe(file) if has_ffprobe else Recording(duration_ms=_duration_by_tags(file))
    if found.duration_ms is not None and file.stat().st_size * 8_000 < found.duration_ms * MIN_BITS_A_SECOND:
        return found._replace(duration_ms=None)
    return found


def poster(file: Path, target: Path) -> bool:
    """Write a frame near the beginning of a video to `target`, as PNG. False when there is no ffmpeg, or no frame."""
    if shutil.which("ffmpeg") is None:
        return False
    # -protocol_whitelist: a playlist in the file must not make ffmpeg read other files or URLs.
    command = ("ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", str(file))
    done = _run((*command, "-frames:v", "1", "-vf", "thumbnail=10,scale='min(1280,iw)':-2", "-y", str(target)))
    return done is not None and target.exists() and target.stat().st_size > 0


def strip(file: Path, mime_type: str, target: Path) -> bool:
    """Copy a recording's sound and video streams to `target`, without cameras' metadata: place, device, time, telemetry.

    Nothing is encoded again, and the orientation stays. False when there is no ffmpeg, the type isn't in `MUXERS`, or ffmpeg
    fails; then the file is served unchanged.
    """
    muxer = MUXERS.get(mime_type)
    if muxer is None or shutil.which("ffmpeg") is None:
        return False
    command = ("ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-i", str(file))
    kept = ("-map", "0:v?", "-map", "0:a?", "-map_metadata", "-1", "-map_chapters", "-1", "-c", "copy")
    # Each stream has its own metadata; `bitexact` leaves out the name of the program and the time.
    plain = ("-map_metadata:s:v", "-1", "-map_metadata:s:a", "-1", "-fflags", "+bitexact")
    done = _run((*command, *kept, *plain, "-f", muxer, "-y", str(target)))
    return done is not None and target.exists() and target.stat().st_size > 0


def _probe(file: Path) -> Recording:
    command = ("ffprobe", "-v", "error", "-protocol_whitelist", "file", "-show_format", "-show_streams", "-of", "json")
    output = _run((*command, str(file)))
    try:
        found: dict[str, Any] = json.loads(output or "{}")
    except ValueError:
        return Recording()
    video: dict[str, Any] = next((s for s in found.get("streams", ()) if s.get("codec_type") == "video"), {})
    width, height = _positive(video.get("width")), _positive(video.get("height"))
    if _is_turned(video):
        width, height = height, width
    return Recording(_milliseconds(found.get("format", {}).get("duration")), width, height)


def _is_turned(video: dict[str, Any]) -> bool:
    """Return whether players rotate the pictures by 90 degrees, as for upright videos of phones."""
    turns = [side.get("rotation", 0) for side in video.get("side_data_list", ())]
    return any(isinstance(turn, int | float) and round(turn) % 180 == 90 for turn in turns)


def _duration_by_tags(file: Path) -> int | None:
    try:
        with file.open("rb") as source:
            return _milliseconds(TinyTag.get(file_obj=source, tags=False).duration)
    except (TinyTagException, OSError, ValueError, IndexError, KeyError, TypeError, ArithmeticError, struct.error):
        return None


def _milliseconds(seconds: Any) -> int | None:
    try:
        value = float(seconds)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(value) or not 0 < value <= MAX_DURATION_SECONDS:
        return None
    return round(value * 1000)


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _run(command: tuple[str, ...]) -> str | None:
    """What a program prints, or None when it fails or takes too much CPU time. Raises TimeoutError when it had too little."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed programs; the file is an argument, never a name that a user chose
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False, preexec_fn=_limit_cpu
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{command[0]} did not end within {PROBE_SECONDS} s") from None
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _limit_cpu() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
