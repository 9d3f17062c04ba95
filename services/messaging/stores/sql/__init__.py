"""The statements of messaging, each a `.sql` file beside this one."""

from typing import Final

from shared.postgres import INDEX_HINTS, load_sql

LIST_HINTS: Final = {**INDEX_HINTS, "enable_sort": "off", "enable_memoize": "off"}
"""Planner settings for connections that read lists.

A generic plan assumes an average user with few conversations, and sorts all of them. Without full sorts it reads the index in
order, which isn't slower for users with few; incremental sorts stay allowed. Memoize would keep what each conversation of a list
finds for another one that looks for the same, and none does.
"""

_PACKAGE: Final = "services.messaging.stores"
_SHARED: Final = {
    f"{{{{{name.upper()}}}}}": load_sql(_PACKAGE, name).rstrip()
    for name in ("quote_and_reactions", "chosen_conversations", "locked_conversations")
}
"""Placeholder → a part of a statement that several ones share."""


def _load(name: str) -> str:
    """Return a statement, put together from its file and the parts that it shares with others."""
    text = load_sql(_PACKAGE, name)
    for placeholder, part in _SHARED.items():
        text = text.replace(placeholder, part)
    return text


def _views(page: str, conversations: str) -> str:
    """Return a statement that shows conversations: given ones, or a page of a list with its columns."""
    text = _load("conversation_views")
    return text.replace("{{PAGE}}", page).replace("{{CONVERSATIONS}}", conversations)


APPEND: Final = _load("append")
APPEND_SYSTEM: Final = _load("append_system")
TAKE_DOWN_SYSTEM: Final = _load("take_down_system")
IMPORT_CONVERSATIONS: Final = _load("import_conversations")
IMPORT_MESSAGES: Final = _load("import_messages")
EDIT: Final = _load("edit")
DELETE: Final = _load("delete")
DELETED_KEYS: Final = _load("deleted_keys")
REACT: Final = _load("react")
SEEN_AT: Final = _load("seen_at")
MARK: Final = _load("mark")
MESSAGES_AT: Final = _load("messages_at")
HISTORY: Final = _load("history")
UNREAD: Final = _load("unread")
UNREAD_PART: Final = _load("unread_part")
CONVERSATIONS: Final = _load("conversations")
CONVERSATION_VIEWS: Final = _views("", "unnest($2::uuid[]) WITH ORDINALITY AS w (id, position)")
CREATE_CONVERSATION: Final = _load("create_conversation")
FIND_BLOCK: Final = _load("find_block")
SET_BLOCK: Final = _load("set_block")
APPLY_BLOCK: Final = _load("apply_block")
BLOCKS: Final = _load("blocks")
BLOCKS_OF_USER: Final = _load("blocks_of_user")
REVISIONS_OF_USER: Final = _load("revisions_of_user")
CONVERSATION_LIST: Final = _load("conversation_list")
CONVERSATION_MOVES: Final = _load("conversation_moves")
SHOWN_LIST: Final = _views(
    "w.id, w.place, w.updated_at, w.fits, w.last_scanned, w.xmin, w.at, w.position,", f"(\n{CONVERSATION_LIST}\n) AS w"
)
"""A part of a list with the contents of its conversations: one round trip instead of two."""
CONVERSATION_SETTINGS: Final = _load("conversation_settings")
CLEAR: Final = _load("clear")
PINNED: Final = _load("pinned")
SHOW_EMPTY: Final = _load("show_empty")
UNREAD_SUMMARY: Final = _load("unread_summary")
PARTICIPANTS: Final = _load("participants")
FIND_USERS: Final = _load("find_users")
RECENT_PARTNERS: Final = _load("recent_partners")
CLAIM_RETENTION: Final = _load("claim_retention")
KEEP_RETENTION: Final = _load("keep_retention")
NEXT_EXPIRED: Final = _load("next_expired")
EXPIRE: Final = _load("expire")
