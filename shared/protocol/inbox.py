"""The layout of an inbox entry, and how an event's JSON ends: declared once, for Python and for the Lua scripts.

An inbox is a stream in Redis (`keys.INBOX`). Its entries have the fields below, in this order. What only Redis knows isn't glued
to the stored text: the user's unread total and the cursor are put behind it by whoever reads the entry.

Scripts name the declarations as `{{ENTRY_TEXT}}` (a field), `{{ENTRY_TEXT_PLACE}}` (where its value stands in the flat list
that XRANGE answers, from 1), and `{{COUNT_END}}` (a piece of JSON); `shared.redis.scripts` fills them in. To replace a text,
give the field at `{{ENTRY_TEXT_PLACE}}` another value and write the entry with the same id and all of its fields.
"""

from typing import Final

ENTRY_TEXT: Final = "e"
"""The event's JSON without its closing brace; if it ends with the unread total, up to that. '' is no event."""
ENTRY_PEER: Final = "p"
"""The user on the event's other side, whom a block hides; or ''."""
ENTRY_TOTAL: Final = "u"
"""The user's unread total, only where the event ends with it."""

_FIELDS: Final = {"ENTRY_TEXT": ENTRY_TEXT, "ENTRY_PEER": ENTRY_PEER, "ENTRY_TOTAL": ENTRY_TOTAL}

EPOCH_DIGITS: Final = 10
"""The tag of an entry begins with the epoch of its partition (`shared/redis/lua/epoch.lua`), as so many digits."""
COUNT_END: Final = "}}"
"""Behind the unread total: it ends `unread`, and the payload."""
CURSOR_BEGIN: Final = ',"cursor":"'
CURSOR_END: Final = '"}'
"""Before and behind the cursor: it ends the event."""

LUA_WORDS: Final = {
    **_FIELDS,
    **{f"{name}_PLACE": str(2 * place + 2) for place, name in enumerate(_FIELDS)},
    "COUNT_END": COUNT_END,
    "CURSOR_BEGIN": CURSOR_BEGIN,
    "CURSOR_END": CURSOR_END,
}
"""What scripts may name."""


def event_json(text: str, total: int | None, cursor: str) -> str:
    """The whole event of an entry."""
    counted = "" if total is None else f"{total}{COUNT_END}"
    return f"{text}{counted}{CURSOR_BEGIN}{cursor}{CURSOR_END}"
