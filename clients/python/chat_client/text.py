"""Blank texts, by the same rule as in the server."""

import re
from typing import Final

INVISIBLE: Final = re.compile(
    "["
    # White space and control characters.
    r"\s\u0000-\u001f\u007f-\u009f"
    # Default-ignorable characters (Unicode 15, DerivedCoreProperties.txt), among them the Hangul fillers.
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # The braille blank.
    "\u2800"
    "]*"
)


def is_blank(text: str) -> bool:
    """Return True when `text` has no visible character."""
    return INVISIBLE.fullmatch(text) is not None
