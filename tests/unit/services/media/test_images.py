"""Pictures keep their content, are turned upright, and lose their metadata."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence, PngImagePlugin

from services.media.inspection import images
from services.media.inspection.refusal import Refused
from tests.support.uploads import opened, picture

MAX_PIXELS = 1_000_000
SECRETS = (b"SECRET", b"Exif", b"http://ns.adobe.com/xap")


def convert(
    folder: Path, data: bytes, mime_type: str, max_pixels: int = MAX_PIXELS
) -> tuple[images.Picture, bytes, bytes]:
    source, target, thumbnail = folder / "source", folder / "result", folder / "thumbnail"
    source.write_bytes(data)
    made = images.convert(source, mime_type, target, thumbnail, max_pixels)
    return made, target.read_bytes(), thumbnail.read_bytes()


def secretive(form: str) -> bytes:
    """A picture whose metadata hold a secret, in every place that the format has."""
    exif = Image.Exif()
    exif[0x010E] = "SECRET description"
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 11.0)}
    options: dict[str, Any] = {"exif": exif}
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "SECRET")
        info.add_itxt("XML:com.adobe.xmp", "SECRET")
        options["pnginfo"] = info
    elif form != "GIF":
        options["xmp"] = b"http://ns.adobe.com/xap SECRET"
    if form in {"JPEG", "GIF"}:
        options["comment"] = b"SECRET"
    return picture(64, 64, form, **options)


@pytest.mark.parametrize("mime_type", images.FORMATS)
def test_no_metadata_stay(tmp_path: Path, mime_type: str) -> None:
    form = images.FORMATS[mime_type]
    made, result, thumbnail = convert(tmp_path, secretive(form), mime_type)
    assert (made.width, made.height) == (64, 64)
    assert opened(result).format == form
    for secret in SECRETS:
        assert secret not in result
        assert secret not in thumbnail


@pytest.mark.parametrize("mime_type", images.FORMATS)
def test_a_damaged_picture_is_refused_wherever_the_damage_is(tmp_path: Path, mime_type: str) -> None:
    """Each decoder says it in its own way."""
    data, refused = picture(64, 64, images.FORMATS[mime_type]), 0
    for place in range(6, min(len(data), 400), 4):
        damaged = data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]
        try:
            convert(tmp_path, damaged, mime_type)
        except Refused:
            refused += 1
    assert refused


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_orientation_is_carried_out(tmp_path: Path, form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    made, result, thumbnail = convert(tmp_path, picture(90, 60, form, exif=exif), f"image/{form.lower()}")
    size = (90, 60) if orientation <= 4 else (60, 90)
    assert (made.width, made.height) == opened(result).size == opened(thumbnail).size == size
    # The red half was on the left; where it is now is said by the orientation (EXIF 2.32, table 6).
    x, y = {1: (5, 30), 2: (85, 30), 3: (85, 30), 4: (5, 30), 5: (30, 5), 6: (30, 5), 7: (30, 85), 8: (30, 85)}[
        orientation
    ]
    red, green, _ = _pixel(result, x, y)
    assert red > 150 > green


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_an_animation_keeps_its_frames_and_their_times(tmp_path: Path, form: str) -> None:
    frames = [Image.new("RGB", (40, 30), (80 * number, 20, 20)) for number in range(3)]
    target = io.BytesIO()
    frames[0].save(target, form, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0)
    _, result, thumbnail = convert(tmp_path, target.getvalue(), f"image/{form.lower()}")
    made, times = opened(result), []
    for frame in ImageSequence.Iterator(made):
        frame.load()  # of WebP the time is known only then
        times.append(round(frame.info["duration"]))
    assert times == [100, 200, 300]
    assert opened(thumbnail).size == (40, 30)


def test_transparency_stays(tmp_path: Path) -> None:
    target = io.BytesIO()
    Image.new("RGBA", (30, 30), (10, 200, 10, 0)).save(target, "PNG")
    _, result, thumbnail = convert(tmp_path, target.getvalue(), "image/png")
    for data in (result, thumbnail):
        assert opened(data).convert("RGBA").getpixel((5, 5))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(("size", "expected"), [((1280, 640), (640, 320)), ((10, 5), (10, 5)), ((2000, 1), (640, 1))])
def test_a_thumbnail_fits_into_640_pixels(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    _, _, thumbnail = convert(tmp_path, picture(*size, "PNG"), "image/png")
    assert opened(thumbnail).size == expected


def test_print_colours_become_screen_colours(tmp_path: Path) -> None:
    target = io.BytesIO()
    Image.new("CMYK", (20, 20), (0, 255, 255, 0)).save(target, "JPEG")
    _, result, _ = convert(tmp_path, target.getvalue(), "image/jpeg")
    assert opened(result).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I;16"])
def test_every_kind_of_pixel_is_read(tmp_path: Path, mode: str) -> None:
    target = io.BytesIO()
    Image.new(mode, (20, 20)).save(target, "PNG")
    made, _, thumbnail = convert(tmp_path, target.getvalue(), "image/png")
    assert len(made.blurhash) == 28
    assert opened(thumbnail).size == (20, 20)


def test_too_many_pixels_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="1001 × 1000"):
        convert(tmp_path, picture(1001, 1000), "image/jpeg")


def _pixel(data: bytes, x: int, y: int) -> tuple[int, int, int]:
    found = opened(data).convert("RGB").getpixel((x, y))
    assert isinstance(found, tuple)
    red, green, blue = (int(value) for value in found)
    return red, green, blue
