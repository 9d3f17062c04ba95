"""Sizes and counts of the protocol, defaults of those that operators may set, and sizes of what services send each other."""

from typing import Final

MAX_FRAME_BYTES: Final = 512 * 1024
MAX_CONTENT_CHARACTERS: Final = 4_000
MAX_STORED_EVENT_BYTES: Final = 32 * 1024
"""Of content, media and metadata together, as `stored_event` counts them."""
MAX_MEDIA: Final = 10
MAX_URL_CHARACTERS: Final = 2_048
MAX_MEDIA_NAME_CHARACTERS: Final = 255
MAX_TEMP_ID_CHARACTERS: Final = 64
MAX_METADATA_BYTES: Final = 4 * 1024
MAX_METADATA_DEPTH: Final = 32
"""Levels of nested objects and arrays."""
MAX_QUOTE_CHARACTERS: Final = 100
MAX_EMOJI_BYTES: Final = 64
MAX_REACTIONS_PER_USER: Final = 8
"""Different emoji of one user on one message."""
MAX_USERNAME_CHARACTERS: Final = 255
MAX_DISPLAY_NAME_CHARACTERS: Final = 255
MAX_TOKEN_CHARACTERS: Final = 7_000
MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that a JavaScript client reads exactly (ECMA-262, Number.MAX_SAFE_INTEGER)."""

SEND_BUFFER_EVENTS: Final = 256
SEND_BUFFER_BYTES: Final = 1024 * 1024
MAX_CONNECTIONS_PER_USER: Final = 10
MAX_BAD_FRAMES_IN_A_ROW: Final = 20
STATUS_BULK_CHUNK: Final = 500
MAX_PRESENCE_QUERY: Final = 100
MAX_PAGE: Final = 100
DEFAULT_PAGE: Final = 50
MAX_PUSH_SUBSCRIPTIONS: Final = 20
MAX_REQUEST_BODY_BYTES: Final = 64 * 1024

INBOX_EVENTS: Final = 512
INBOX_BYTES: Final = 4 * 1024 * 1024
INBOX_SECONDS: Final = 24 * 3600
LAST_MESSAGE_SECONDS: Final = 3600

TYPING_SECONDS: Final = 3
TYPING_REPEAT_SECONDS: Final = 1
TOKEN_EXPIRING_SECONDS: Final = 60
RECONNECT_SPREAD_SECONDS: Final = 10
"""A client that a draining gateway closed returns within this time: it waits for 0 to 5 s, and may be asked to wait longer."""
MAX_COMMANDS_PER_BATCH: Final = 256
"""Commands in one AMQP message from a gateway."""
MAX_BATCH_BYTES: Final = 256 * 1024
"""Body of one AMQP message from a gateway."""

MAX_FOLLOW_CHANGES: Final = 1_000
"""Changes of the follow graph in one call of the server API."""
MAX_REPORTED_MESSAGES: Final = 100
MAX_REPORT_REASON_CHARACTERS: Final = 255
MAX_REPORT_COMMENT_CHARACTERS: Final = 4_000
MAX_FOLLOWS_BODY_BYTES: Final = 512 * 1024
"""Body of a call that changes the follow graph: `MAX_FOLLOW_CHANGES` changes take 120 KB."""

UPLOAD_URL_SECONDS: Final = 7 * 24 * 3600
"""How long a signed URL of an upload is valid, at least."""

MIN_USERNAME_PREFIX: Final = 3
MAX_USERS_FOUND: Final = 20
"""Users in one answer to `GET /chat/users?prefix=`."""
MAX_PAGE_BYTES: Final = 1024 * 1024
"""About how many bytes of messages one page of a list holds.

A page with larger messages has fewer items, and there is a next page.
"""
SEND_RETRY_SECONDS: Final = 2
"""`retryAfter` of `send_failed`.

Clients that wait one to two times as long have all succeeded within 5 s of the broker's return.
"""
