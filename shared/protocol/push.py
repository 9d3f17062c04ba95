"""Push notifications: the content that a service worker gets, encrypted, through a push service.

Native apps get the same fields.
"""

from typing import Final

import msgspec

NEW_MESSAGE: Final = "New message"
"""The title when there is no sender, and the body when the content isn't shown or isn't available."""


class UnreadCounts(msgspec.Struct, rename="camel", frozen=True):
    """Unread messages of the receiver: in the conversation, and in all (for the badge)."""

    conversation: int
    total: int


class NotificationData(msgspec.Struct, tag="chat.message", tag_field="type", rename="camel", frozen=True):
    """The target of a click on the notification, and the numbers for a badge. A system message has no sender: null and ''."""

    conversation_id: str
    message_id: str
    sender_id: str | None
    sender_name: str
    unread: UnreadCounts


class Notification(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A notification of one chat message.

    Example: `{"title": "New message from somchai", "body": "Hello there!", "icon": "/icon-192x192.png",
    "tag": "chat-message", "data": {"type": "chat.message", "conversationId": "0190…", "messageId": "0190…",
    "senderId": "0190…", "senderName": "Somchai", "unread": {"conversation": 1, "total": 3}}}`
    """

    title: str
    body: str
    icon: str = "/icon-192x192.png"
    tag: str = "chat-message"
    data: NotificationData
