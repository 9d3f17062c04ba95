"""Which texts are blank, and which characters names may have: one definition for all services.

The characters come from the Unicode Character Database 15: property Default_Ignorable_Code_Point (DerivedCoreProperties.txt),
property White_Space, and fillers that are rendered blank although the database lists them as symbols or letters.
"""

import re
import unicodedata
from typing import Final

_DEFAULT_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_BLANK: Final = "\u2800"
"""Braille pattern blank."""
_CONTROL: Final = "\u0000-\u001f\u007f-\u009f"

_INVISIBLE: Final = re.compile(rf"[\s{_CONTROL}{_DEFAULT_IGNORABLE}{_BLANK}]*")

_FORBIDDEN_IN_NAMES: Final = re.compile(
    rf"[{_CONTROL}\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\ud800-\udfff]"
)
"""Control characters, line and paragraph separators, bidirectional embeddings, overrides and isolates (UAX #9), zero-width
characters, and lone surrogates."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_JOINERS: Final = "\u200c-\u200f\u061c"
"""Joiners and direction marks: scripts need them between visible characters."""
_OUTER_JOINERS: Final = re.compile(rf"(?:(?<=\s)|^)[{_JOINERS}]+|[{_JOINERS}]+(?=\s|$)")


def is_blank(text: str) -> bool:
    """Return True when `text` has no visible character."""
    # Most texts begin with a visible ASCII character; the pattern takes several times as long to say so.
    return not "!" <= text[:1] <= "~" and _INVISIBLE.fullmatch(text) is not None


def name_fault(name: str) -> str | None:
    """Return why `name` can't be a username or display name, as a text for the client; None when it can.

    Lengths aren't checked.
    """
    found = _FORBIDDEN_IN_NAMES.search(name) or _OUTER_JOINERS.search(name)
    if found is not None:
        return f"remove the character U+{ord(found[0][0]):04X}: it is invisible, or changes how the text around it is shown"
    return "a name needs a visible character" if is_blank(name) else None


def without_forbidden(name: str) -> str:
    """Return `name` without the characters that names must not have; empty when nothing visible is left."""
    cleaned = _FORBIDDEN_IN_NAMES.sub("", name)
    # The pattern matches whole runs of joiners, so removing them exposes others only where white space was between.
    cleaned = _OUTER_JOINERS.sub("", cleaned)
    return "" if is_blank(cleaned) else cleaned


def username_key(username: str) -> str:
    """Return the form in which usernames are compared.

    It is equal for names that differ only in case or in compatible characters.

    Unicode 15, section 3.13, D146 (compatibility caseless match), composed at the end.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", username).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def is_storable(text: str) -> bool:
    """Return True when PostgreSQL can store `text`: no U+0000 (SQLSTATE 22021), and no lone surrogate (not possible in UTF-8)."""
    return "\0" not in text and _SURROGATE.search(text) is None
