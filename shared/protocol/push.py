"""Web push: what a service worker gets, encrypted, by way of a push service."""

import msgspec


class NotificationData(msgspec.Struct, tag="chat.message", tag_field="type", rename="camel", frozen=True):
    """Where a click on the notification leads."""

    conversation_id: str
    message_id: str
    sender_id: str


class Notification(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    """A notification of one chat message.

    Example: `{"title": "New message from somchai", "body": "Hello there!", "icon": "/icon-192x192.png",
    "tag": "chat-message", "data": {"type": "chat.message", "conversationId": "0190…", "messageId": "0190…",
    "senderId": "0190…"}}`
    """

    title: str
    body: str
    icon: str = "/icon-192x192.png"
    tag: str = "chat-message"
    data: NotificationData
