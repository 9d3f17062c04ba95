"""Checks that a text is one emoji: an emoji sequence (UTS #51, ED-17) that is one grapheme cluster (UAX #29).

The `regex` package has the character properties of the current Unicode version; the `emoji` package knows which pairs of regional
indicators are flags.
"""

from functools import lru_cache
from typing import Final

import emoji
import regex

from shared.protocol.limits import MAX_EMOJI_BYTES

# Digits, `#`, `*`, © and ® are text unless U+FE0F or a keycap follows; a regional indicator or a tag alone is a letter.
_CHARACTER: Final = r"[\p{Emoji}--[0-9#*©®]--\p{Regional_Indicator}]"
_PRESENTATION: Final = r"[\p{Emoji}--\p{Regional_Indicator}]\uFE0F"
_MODIFIED: Final = r"\p{Emoji_Modifier_Base}\p{Emoji_Modifier}"
_KEYCAP: Final = r"[0-9#*]\uFE0F?\u20E3"
_TAGGED: Final = r"\U0001F3F4[\U000E0030-\U000E0039\U000E0061-\U000E007A]{1,30}\U000E007F"
_ELEMENT: Final = rf"(?:{_MODIFIED}|{_PRESENTATION}|{_CHARACTER})"
_SEQUENCE: Final = regex.compile(rf"(?V1)(?:{_KEYCAP}|{_TAGGED}|{_ELEMENT}(?:\u200D{_ELEMENT})*)")
_CLUSTER: Final = regex.compile(r"\X")
_FLAG: Final = regex.compile(r"\p{Regional_Indicator}{2}")


@lru_cache(maxsize=1024)
def is_emoji(text: str) -> bool:
    """Return True when `text` is one emoji of at most 64 bytes. Flags, families, skin tones and keycaps are each one."""
    if len(text) > MAX_EMOJI_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_EMOJI_BYTES:
        return False
    if _FLAG.fullmatch(text):
        return emoji.is_emoji(text)
    return _SEQUENCE.fullmatch(text) is not None and _CLUSTER.fullmatch(text) is not None
