"""The layout of an inbox entry, and how an event's JSON ends: declared once, for Python and for the Lua scripts.

An inbox is a stream in Redis (`keys.INBOX`). Its entries have the fields below, in this order. The stored text doesn't contain
what only Redis knows: readers of the entry append the user's unread total and the cursor. What bounds an inbox is in
`inboxes.lua` of `services/messaging/fanout`.

Scripts write the declarations as `{{ENTRY_TEXT}}` (a field), `{{ENTRY_TEXT_PLACE}}` (the index, from 1, of its value in the flat
list that XRANGE returns), and `{{COUNT_END}}` (a piece of JSON); `shared.redis.scripts` fills them in. To replace a text, change
the value at `{{ENTRY_TEXT_PLACE}}`, and write the entry with the same id and all its fields.
"""

from typing import Final

ENTRY_TEXT: Final = "e"
"""The event's JSON without its closing brace, or up to the unread total if it ends with that. '' means no event."""
ENTRY_PEER: Final = "p"
"""The peer: the other user of the event, whom a block hides; or ''."""
ENTRY_TOTAL: Final = "u"
"""The user's unread total, only when the event ends with it."""

_FIELDS: Final = {"ENTRY_TEXT": ENTRY_TEXT, "ENTRY_PEER": ENTRY_PEER, "ENTRY_TOTAL": ENTRY_TOTAL}

EPOCH_DIGITS: Final = 10
"""The tag of an entry begins with this many digits: the epoch of its partition (`shared/redis/lua/epoch.lua`)."""
COUNT_END: Final = "}}"
"""Follows the unread total: it ends `unread`, and the payload."""
CURSOR_BEGIN: Final = ',"cursor":"'
CURSOR_END: Final = '"}'
"""The JSON before and after the cursor. The second part ends the event."""

LUA_WORDS: Final = {
    **_FIELDS,
    **{f"{name}_PLACE": str(2 * place + 2) for place, name in enumerate(_FIELDS)},
    "COUNT_END": COUNT_END,
    "CURSOR_BEGIN": CURSOR_BEGIN,
    "CURSOR_END": CURSOR_END,
}
"""The declarations that scripts may use."""


def event_json(text: str, total: int | None, cursor: str) -> str:
    """Return the complete event of an entry."""
    counted = "" if total is None else f"{total}{COUNT_END}"
    return f"{text}{counted}{CURSOR_BEGIN}{cursor}{CURSOR_END}"
