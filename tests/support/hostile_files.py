"""Files that are made to harm the program that opens them. They are generated, so that the repository contains none."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from PIL import Image

from tests.support.uploads import File, picture

SIDE = 30_000


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG (its specification, section 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a PNG of one bit per pixel, whose header may state any size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def huge_png() -> bytes:
    """900 million valid pixels in 110 KB."""
    packer, rows = zlib.compressobj(9), bytes(1 + SIDE // 8)
    data = b"".join(packer.compress(rows) for _ in range(SIDE)) + packer.flush()
    return png(SIDE, SIDE, chunk(b"IDAT", data))


def text_bomb() -> bytes:
    """A small picture with a comment that unpacks to 300 MB."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
    pixels = chunk(b"IDAT", zlib.compress(b"\0\0" * 8))
    return png(8, 8, chunk(b"zTXt", b"Comment\0\0" + data), pixels)


def endless_gif(frames: int = 20_000) -> bytes:
    """An animation of very many frames of 2,000 × 2,000 that all use the same few bytes."""
    target = io.BytesIO()
    Image.new("P", (2000, 2000)).save(target, "GIF")
    data = target.getvalue()
    start = data.index(b"\x2c")
    return data[:start] + data[start:-1] * frames + b"\x3b"


def archive(**files: bytes) -> bytes:
    """A ZIP."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return target.getvalue()


def broken_jpeg_size() -> bytes:
    """A JPEG whose frame header says 65,500 × 65,500."""
    data = bytearray(picture(64, 64))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(data)


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of a film (ISO/IEC 14496-12, section 4.2)."""
    data = b"".join(parts)
    return struct.pack(">I", 8 + len(data)) + kind + data


def film_of_one_frame(frames: int) -> bytes:
    """A film whose frames are all stored at the same place: a copy of it is `frames` times as large."""
    frame, brand = picture(), box(b"ftyp", b"qt  ", bytes(4), b"qt  ")
    ticks, start = 100 * frames, len(brand) + 8
    matrix = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    entry = box(
        b"jpeg",
        *(bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HHIIIH", 300, 200, 72 << 16, 72 << 16, 0, 1)),
        *(bytes(32), struct.pack(">Hh", 24, -1)),
    )
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        box(b"stts", struct.pack(">IIII", 0, 1, frames, 100)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        box(b"stsz", struct.pack(">III", 0, len(frame), frames)),
        box(b"stco", struct.pack(">II", 0, frames), struct.pack(">I", start) * frames),
    )
    place = box(b"dinf", box(b"dref", struct.pack(">II", 0, 1), box(b"url ", struct.pack(">I", 1))))
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, ticks, 0, 0)),
        box(b"hdlr", bytes(4), b"mhlrvide", bytes(13)),
        box(b"minf", box(b"vmhd", struct.pack(">IHHHH", 1, 0, 0, 0, 0)), place, table),
    )
    track = box(
        b"tkhd", struct.pack(">6I", 7, 0, 0, 1, 0, ticks), bytes(16), matrix, struct.pack(">II", 300 << 16, 200 << 16)
    )
    head = struct.pack(">5IIH", 0, 0, 0, 1000, ticks, 1 << 16, 1 << 8)
    film = box(
        b"moov", box(b"mvhd", head, bytes(10), matrix, bytes(24), struct.pack(">I", 2)), box(b"trak", track, media)
    )
    return brand + box(b"mdat", frame) + film


HOSTILE: dict[str, Callable[[], File]] = {
    "30,000 × 30,000 pixels": lambda: File(huge_png(), "a.png", "image/png"),
    "a header of 100,000 × 100,000 without pixels": lambda: File(png(100_000, 100_000), "a.png", "image/png"),
    "a header of 65,500 × 65,500 before few pixels": lambda: File(broken_jpeg_size()),
    "a comment that unpacks to 300 MB": lambda: File(text_bomb(), "a.png", "image/png"),
    "20,000 frames": lambda: File(endless_gif(), "a.gif", "image/gif"),
    "no pixels": lambda: File(png(0, 0), "a.png", "image/png"),
    "a cut JPEG": lambda: File(picture()[:-2000]),
    "a cut PNG": lambda: File(picture(form="PNG")[:-5000], "a.png", "image/png"),
    "a cut WebP": lambda: File(picture(form="WEBP")[:-500], "a.webp", "image/webp"),
    "only a signature": lambda: File(b"\x89PNG\r\n\x1a\n", "a.png", "image/png"),
    "SVG as PNG": lambda: File(b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "a.png", "image/png"),
    "SVG as text": lambda: File(b"\xef\xbb\xbf<?xml version='1.0'?><svg onload='alert(1)'/>", "a.txt", "text/plain"),
    "SVG as anything": lambda: File(b"\n\n<!-- --><SVG onload=alert(1)>", "a", "application/octet-stream"),
    "HTML as JPEG": lambda: File(b"<!DOCTYPE html><script>alert(1)</script>"),
    "HTML as text": lambda: File(b"hello <script src=//evil.example></script>", "a.txt", "text/plain"),
    "a GIF that is a script": lambda: File(b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)", "a.gif", "image/gif"),
    "a picture that is an archive": lambda: File(picture() + archive(evil=b"x" * 100)),
    "a picture that is a page": lambda: File(picture() + b"<html><script>alert(1)</script>"),
    "a picture that is a program": lambda: File(picture() + b"<?php system($_GET['x']); ?>"),
    "a picture that is a PDF": lambda: File(picture(form="PNG") + b"%PDF-1.7 trailer", "a.png", "image/png"),
    "a video that is a page": lambda: File(b"\0\0\0\x18ftypmp42" + b"\0" * 99 + b"<script >", "a.mp4", "video/mp4"),
    "a JPEG as PNG": lambda: File(picture(), "a.png", "image/png"),
    "a PNG as video": lambda: File(picture(form="PNG"), "a.mp4", "video/mp4"),
    "a program of Windows": lambda: File(b"MZ" + bytes(500), "a.bin", "application/octet-stream"),
    "a program of Linux": lambda: File(b"\x7fELF" + bytes(500), "a.bin", "application/octet-stream"),
    "a script": lambda: File(b"#!/bin/sh\nrm -rf /\n", "a.txt", "text/plain"),
    "a program as archive": lambda: File(b"MZ" + bytes(500), "a.zip", "application/zip"),
    "a broken archive": lambda: File(b"PK\x03\x04" + bytes(500), "a.zip", "application/zip"),
    "bytes as text": lambda: File(bytes(range(256)), "a.txt", "text/plain"),
    "HEIC, which nobody here can open": lambda: File(b"\0\0\0\x18ftypheic" + bytes(99), "a.jpg", "image/jpeg"),
}
"""Description → file. Each must be refused."""

LYING: dict[str, Callable[[], File]] = {
    "WAV with a length of 4 GB": lambda: File(
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\xff\xff\xff\xff",
        "a.wav",
        "audio/wav",
    ),
    "MP3 with a tag of 256 MB": lambda: File(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(100), "a.mp3", "audio/mpeg"),
    "MP4 with boxes in boxes": lambda: File(
        b"\0\0\0\x18ftypmp42" + bytes(12) + (b"\0\0\xff\xffmoov" * 5000), "a.mp4", "video/mp4"
    ),
    "Ogg that ends at once": lambda: File(b"OggS" + b"\xff" * 60, "a.ogg", "audio/ogg"),
}
"""Recordings with wrong headers: they are accepted unchanged, and have no duration."""
