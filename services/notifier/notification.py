"""What a notification says, and how small it has to be."""

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice
from typing import Final

import grapheme

from services.notifier.webpush.base64url import encode
from shared.protocol import limits, relay
from shared.protocol.codec import json_encoder
from shared.protocol.push import Notification, NotificationData

BODY_CHARACTERS: Final = 100
"""Characters as a reader counts them: grapheme clusters (Unicode Standard Annex 29)."""
TOPIC_BYTES: Final = 24
"""32 characters of base64url, the most that RFC 8030, section 5.4, allows."""

SENT_FILE: Final = "📎 Sent a file"
SENT: Final = {
    "image": "📷 Sent a photo",
    "video": "🎥 Sent a video",
    "audio": "🎵 Sent an audio message",
    "file": SENT_FILE,
}


def notification_of(message: relay.Undelivered) -> bytes:
    """The JSON of a message's notification, at most 3,993 bytes by the bounds of its parts.

    255 characters of a name take at most 1,530 bytes in JSON, 400 characters of a text 1,600 (only control characters are
    escaped, and at most 100 of those are shown), the rest 330.
    """
    name = message.sender_username[: limits.MAX_USERNAME_CHARACTERS]
    data = NotificationData(message.conversation_id, message.message_id, message.sender_id)
    return json_encoder.encode(Notification(title=f"New message from {name}", body=body_of(message), data=data))


def body_of(message: relay.Undelivered) -> str:
    """The first 100 characters of a text; for anything else, what it is."""
    if message.type in SENT:
        return SENT[message.type]
    # A text message without text carries only media.
    return (
        "".join(islice(_whole_characters(message.preview[: relay.MAX_PREVIEW_CHARACTERS]), BODY_CHARACTERS))
        or SENT_FILE
    )


def topic_of(conversation_id: str, subscription_id: str) -> str:
    """The `Topic` header: newer replaces older while the device is away (RFC 8030, section 5.4).

    Differs for each subscription, so that push services can't tell by it who talks with whom.
    """
    return encode(blake2b(conversation_id.encode(), key=subscription_id.encode(), digest_size=TOPIC_BYTES).digest())


def _whole_characters(preview: str) -> Iterator[str]:
    """The grapheme clusters of a preview, without the last one when the preview may have been cut inside it."""
    clusters = list(islice(grapheme.graphemes(preview), BODY_CHARACTERS + 1))
    was_cut = len(preview) >= relay.MAX_PREVIEW_CHARACTERS and len(clusters) <= BODY_CHARACTERS
    return iter(clusters[:-1] if was_cut and len(clusters) > 1 else clusters)
