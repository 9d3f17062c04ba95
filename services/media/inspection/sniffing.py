"""Finds a file's type by its bytes, to compare it with the type that its sender says.

Signatures: WHATWG MIME Sniffing Standard, section 6, and the formats' own documents. Some containers (MP4, WebM, Ogg) are used
for sound and for video: there the sender's type decides between the two.
"""

import re
import zipfile
from pathlib import Path
from typing import Final

HEAD_BYTES: Final = 4096
"""How many bytes of a file are read to find its type."""
UNKNOWN: Final = "application/octet-stream"
TEXT: Final = "text/plain"
ZIP: Final = "application/zip"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
DOCUMENTS: Final = {
    "word/": f"{_OFFICE}wordprocessingml.document",
    "xl/": f"{_OFFICE}spreadsheetml.sheet",
    "ppt/": f"{_OFFICE}presentationml.presentation",
}
"""Folder in a ZIP archive → the document type that it indicates (ECMA-376)."""

KNOWN_TYPES: Final = (
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/quicktime",
    "audio/mpeg",
    "audio/mp4",
    "audio/aac",
    "audio/ogg",
    "audio/webm",
    "audio/wav",
    "audio/flac",
    "application/pdf",
    ZIP,
    *DOCUMENTS.values(),
    TEXT,
    UNKNOWN,
)
"""Every type that can be recognized by its bytes. UNKNOWN: files without a signature, which can't be run or shown."""

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/aacp": "audio/aac",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/opus": "audio/ogg",
    "video/x-m4v": "video/mp4",
    "application/x-zip-compressed": ZIP,
    "application/x-pdf": "application/pdf",
    "text/csv": TEXT,
    "text/markdown": TEXT,
    "application/json": TEXT,
}

_PREFIXES: Final[tuple[tuple[bytes, tuple[str, ...]], ...]] = (
    (b"\xff\xd8\xff", ("image/jpeg",)),
    (b"\x89PNG\r\n\x1a\n", ("image/png",)),
    (b"GIF87a", ("image/gif",)),
    (b"GIF89a", ("image/gif",)),
    (b"\x1a\x45\xdf\xa3", ("video/webm", "audio/webm")),
    (b"ID3", ("audio/mpeg",)),
    (b"OggS", ("audio/ogg",)),
    (b"fLaC", ("audio/flac",)),
    (b"%PDF-", ("application/pdf",)),
    (b"MZ", ("application/x-msdownload",)),
    (b"\x7fELF", ("application/x-elf",)),
    (b"\xca\xfe\xba\xbe", ("application/java-vm",)),
    (b"\xcf\xfa\xed\xfe", ("application/x-mach-binary",)),
    (b"\xfe\xed\xfa\xcf", ("application/x-mach-binary",)),
    (b"#!", ("text/x-script",)),
)
_RIFF: Final = {b"WEBP": ("image/webp",), b"WAVE": ("audio/wav",)}
_BRANDS: Final = {
    b"avif": ("image/avif",),
    b"avis": ("image/avif",),
    b"heic": ("image/heic",),
    b"mif1": ("image/heif",),
    b"qt  ": ("video/quicktime",),
    b"M4A ": ("audio/mp4",),
    b"M4B ": ("audio/mp4",),
}
_MARKUP: Final = re.compile(
    rb"<(?:!doctype|html|head|body|svg|script|iframe|object|embed|style|form|math|\?xml|\?php)[\s>/]?", re.IGNORECASE
)
_HIDDEN_MARKUP: Final = re.compile(rb"<(?:script|html|svg|iframe|\?php)[\s>/]|%PDF-1", re.IGNORECASE)
_SCAN_BYTES: Final = 1024 * 1024
_OVERLAP: Final = 16


def canonical(mime_type: str) -> str:
    """Return a MIME type without parameters, in lower case, under its usual name."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def types_of(file: Path) -> tuple[str, ...]:
    """Return the types that a file may have, the usual one first. For a file that is always refused: its type alone."""
    with file.open("rb") as source:
        head = source.read(HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return _types_of_archive(file)
    found = _signature(head)
    if found:
        return found
    if _MARKUP.search(head):
        return ("text/html",)
    return (TEXT, UNKNOWN) if is_text(file) else (UNKNOWN,)


def is_text(file: Path) -> bool:
    """Return whether the whole file is UTF-8 without control characters other than white space."""
    try:
        with file.open(encoding="utf-8", newline="") as source:
            while chunk := source.read(_SCAN_BYTES):
                if any(ord(c) < 32 and c not in "\t\n\r\f\x1b" for c in set(chunk)):
                    return False
    except UnicodeDecodeError:
        return False
    return True


def hides_another(file: Path) -> bool:
    """Return whether a picture, sound or video is also something else (a polyglot): a page, a PDF, an archive."""
    if zipfile.is_zipfile(file):
        return True
    with file.open("rb") as source:
        rest = b""
        while chunk := source.read(_SCAN_BYTES):
            if _HIDDEN_MARKUP.search(rest + chunk):
                return True
            rest = chunk[-_OVERLAP:]
    return False


def _signature(head: bytes) -> tuple[str, ...]:
    for prefix, types in _PREFIXES:
        if head.startswith(prefix):
            return types
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], ())
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ("video/mp4", "audio/mp4"))
    if head[:1] == b"\xff" and len(head) > 1:
        if head[1] & 0xF6 == 0xF0:
            return ("audio/aac",)  # ADTS: layer 0 (ISO/IEC 13818-7, section 6.2)
        if head[1] & 0xE6 in {0xE2, 0xE4, 0xE6} and head[1] & 0xE0 == 0xE0:
            return ("audio/mpeg",)  # frame sync and a layer (ISO/IEC 11172-3, section 2.4.2.3)
    return ()


def _types_of_archive(file: Path) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return ("application/x-broken-zip",)
    if "[Content_Types].xml" in names:
        for folder, document in DOCUMENTS.items():
            if any(name.startswith(folder) for name in names):
                return (document, ZIP)
    return (ZIP,)
