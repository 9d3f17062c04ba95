"""The text of a notification, and its limits of size."""

from hashlib import blake2b
from typing import Final

import grapheme
import msgspec

from services.notifier.base64url import encode
from services.notifier.decision import Receiver
from shared.protocol import limits, relay
from shared.protocol.codec import json_encoder
from shared.protocol.push import NEW_MESSAGE, Notification, NotificationData, UnreadCounts

BODY_CHARACTERS: Final = 100
"""Length of the body in Unicode code points, as the protocol counts characters."""
TOPIC_BYTES: Final = 24
"""Gives 32 characters of base64url, the most that RFC 8030, section 5.4, allows."""
SENT_FILE: Final = "📎 Sent a file"
SENT: Final = {
    "image": "📷 Sent a photo",
    "video": "🎥 Sent a video",
    "audio": "🎵 Sent an audio message",
    "file": SENT_FILE,
}
SYSTEM: Final = "system"
"""The type of system messages."""
WITHOUT_TEXT: Final = {"text": SENT_FILE}
"""Type → body of a message without text. A text message without text has only media; all other types are `NEW_MESSAGE`."""

_ISOLATES: Final = "\u2066\u2067\u2068\u2069"
_DIRECTION_CONTROLS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e" + _ISOLATES)
"""Embeddings, overrides and isolates (Unicode Standard Annex 9, section 2)."""


def notification_of(message: relay.Undelivered, receiver: Receiver) -> Notification:
    """Return the notification of a message, according to the receiver's settings."""
    data = NotificationData(
        message.conversation_id,
        message.message_id,
        message.sender_id or None,
        message.sender_name or message.sender_username,
        UnreadCounts(receiver.unread.conversation, receiver.unread.total),
    )
    body = body_of(message, receiver.message_text) if receiver.settings.preview else NEW_MESSAGE
    return Notification(title=title_of(message), body=body, data=data)


def title_of(message: relay.Undelivered) -> str:
    """Return the title, which names the sender. A name can't change the direction of the text around it."""
    if not message.sender_id:
        return NEW_MESSAGE
    return f"New message from {isolated(message.sender_username[: limits.MAX_USERNAME_CHARACTERS])}"


def body_of(message: relay.Undelivered, text: str | None = None) -> str:
    """Return the beginning of a text, or the kind of any other message.

    `text`: the current text in Redis, if it has one.
    """
    if message.type in SENT:
        return SENT[message.type]
    text = message.preview if text is None else text
    return _cut(text, BODY_CHARACTERS) or WITHOUT_TEXT.get(message.type, NEW_MESSAGE)


def isolated(name: str) -> str:
    """Return `name`, in a first-strong isolate when it has characters that change text direction (UAX 9, section 2.4)."""
    if _DIRECTION_CONTROLS.isdisjoint(name):
        return name
    # An isolate inside the name could end ours early. Everything else that it opens ends with ours.
    bare = "".join(character for character in name if character not in _ISOLATES)
    return f"\u2068{bare}\u2069"


def fitted(notification: Notification, most_bytes: int) -> Notification:
    """Return the notification with names and body cut, so that its JSON has at most `most_bytes` (1,000 or more)."""
    for characters in (100, 40, 15):
        if len(json_encoder.encode(notification)) <= most_bytes:
            break
        data = notification.data
        data = msgspec.structs.replace(data, sender_name=_cut(data.sender_name, characters))
        notification = msgspec.structs.replace(
            notification,
            title=_cut(notification.title, characters),
            body=_cut(notification.body, characters),
            data=data,
        )
    return notification


def topic_of(conversation_id: str, target_id: str) -> str:
    """Return a conversation's topic: a push service replaces an older notification with the same one (RFC 8030, 5.4).

    It differs for each device, so that push services can't see from it who talks with whom. It has 32 characters.
    """
    return encode(blake2b(conversation_id.encode(), key=target_id.encode(), digest_size=TOPIC_BYTES).digest())


def _cut(text: str, characters: int) -> str:
    """Return the beginning of a text: at most so many code points.

    A grapheme cluster (what a reader takes for one character: Unicode Standard Annex 29) is left out rather than cut, unless
    it is the first.
    """
    end = 0
    # One code point more shows whether the last cluster ends before it.
    for cluster in grapheme.graphemes(text[: characters + 1]):
        if end + len(cluster) > characters:
            break
        end += len(cluster)
    return text[: end or characters]
