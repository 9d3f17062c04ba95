"""Base64 for URLs (RFC 4648, section 5), without padding, as browsers write keys."""

import base64
import re
from typing import Final

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)


def encode(data: bytes) -> str:
    """Return `data` as text without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of `text`, padded or not. Raises ValueError for characters outside the alphabet."""
    if _ALPHABET.fullmatch(text) is None:
        raise ValueError("not base64url")
    bare = text.rstrip("=")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
