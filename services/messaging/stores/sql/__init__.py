"""The statements of messaging, each a `.sql` file beside this one."""

from typing import Final

from shared.postgres import INDEX_HINTS, load_sql

LIST_HINTS: Final = {**INDEX_HINTS, "enable_sort": "off"}
"""Planner settings for connections that read lists.

A generic plan assumes an average user with few conversations, and sorts all of them. Without full sorts it reads the index in
order, which isn't slower for users with few; incremental sorts stay allowed.
"""

_PACKAGE: Final = "services.messaging.stores"
_QUOTE_AND_REACTIONS: Final = load_sql(_PACKAGE, "quote_and_reactions")
_CHOSEN_CONVERSATIONS: Final = load_sql(_PACKAGE, "chosen_conversations")


def _load_showing(name: str) -> str:
    """Return a statement that shows messages, with the columns that all such statements share."""
    return load_sql(_PACKAGE, name).replace("{{QUOTE_AND_REACTIONS}}", _QUOTE_AND_REACTIONS.rstrip())


def _load_listing(name: str) -> str:
    """Return a statement that lists conversations, with the ending that all such statements share."""
    return load_sql(_PACKAGE, name).replace("{{CHOSEN_CONVERSATIONS}}", _CHOSEN_CONVERSATIONS.rstrip())


def _views(page: str, conversations: str) -> str:
    """Return a statement that shows conversations: given ones, or a page of a list with its columns."""
    text = _load_showing("conversation_views")
    return text.replace("{{PAGE}}", page).replace("{{CONVERSATIONS}}", conversations)


APPEND: Final = load_sql(_PACKAGE, "append")
APPEND_SYSTEM: Final = load_sql(_PACKAGE, "append_system")
TAKE_DOWN_SYSTEM: Final = load_sql(_PACKAGE, "take_down_system")
IMPORT_CONVERSATIONS: Final = load_sql(_PACKAGE, "import_conversations")
IMPORT_MESSAGES: Final = load_sql(_PACKAGE, "import_messages")
EDIT: Final = load_sql(_PACKAGE, "edit")
DELETE: Final = load_sql(_PACKAGE, "delete")
DELETED_KEYS: Final = load_sql(_PACKAGE, "deleted_keys")
REACT: Final = load_sql(_PACKAGE, "react")
SEEN_AT: Final = load_sql(_PACKAGE, "seen_at")
MARK: Final = load_sql(_PACKAGE, "mark")
MESSAGES_AT: Final = _load_showing("messages_at")
HISTORY: Final = _load_showing("history")
UNREAD: Final = load_sql(_PACKAGE, "unread")
UNREAD_PART: Final = load_sql(_PACKAGE, "unread_part")
CONVERSATIONS: Final = load_sql(_PACKAGE, "conversations")
CONVERSATION_VIEWS: Final = _views("", "unnest($2::uuid[]) WITH ORDINALITY AS w (id, position)")
CREATE_CONVERSATION: Final = load_sql(_PACKAGE, "create_conversation")
FIND_BLOCK: Final = load_sql(_PACKAGE, "find_block")
SET_BLOCK: Final = load_sql(_PACKAGE, "set_block")
APPLY_BLOCK: Final = load_sql(_PACKAGE, "apply_block")
BLOCKS: Final = load_sql(_PACKAGE, "blocks")
BLOCKS_OF_USER: Final = load_sql(_PACKAGE, "blocks_of_user")
REVISIONS_OF_USER: Final = load_sql(_PACKAGE, "revisions_of_user")
CONVERSATION_LIST: Final = _load_listing("conversation_list")
CONVERSATION_MOVES: Final = _load_listing("conversation_moves")
SHOWN_LIST: Final = _views(
    "w.id, w.place, w.updated_at, w.fits, w.last_scanned, w.xmin, w.at, w.position,", f"(\n{CONVERSATION_LIST}\n) AS w"
)
"""A part of a list with the contents of its conversations: one round trip instead of two."""
CONVERSATION_SETTINGS: Final = load_sql(_PACKAGE, "conversation_settings")
CLEAR: Final = load_sql(_PACKAGE, "clear")
PINNED: Final = load_sql(_PACKAGE, "pinned")
SHOW_EMPTY: Final = load_sql(_PACKAGE, "show_empty")
UNREAD_SUMMARY: Final = load_sql(_PACKAGE, "unread_summary")
PARTICIPANTS: Final = load_sql(_PACKAGE, "participants")
FIND_USERS: Final = load_sql(_PACKAGE, "find_users")
RECENT_PARTNERS: Final = load_sql(_PACKAGE, "recent_partners")
CLAIM_RETENTION: Final = load_sql(_PACKAGE, "claim_retention")
KEEP_RETENTION: Final = load_sql(_PACKAGE, "keep_retention")
NEXT_EXPIRED: Final = load_sql(_PACKAGE, "next_expired")
EXPIRE: Final = load_sql(_PACKAGE, "expire")
