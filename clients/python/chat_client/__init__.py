"""asyncio client for the `chat.v1` protocol: idempotent sends, recovery without gaps, typed events."""

from chat_client.client import ChatClient
from chat_client.errors import ChatError, ClientClosed, ConnectionLost, EventsLost, FrameTooBig, ServerError
from chat_client.events import Event
from chat_client.resources import Media
from chat_client.rest import Rest
from chat_client.tokens import TokenProvider
from chat_client.wire import Conversation, Message

__all__ = [
    "ChatClient",
    "ChatError",
    "ClientClosed",
    "ConnectionLost",
    "Conversation",
    "Event",
    "EventsLost",
    "FrameTooBig",
    "Media",
    "Message",
    "Rest",
    "ServerError",
    "TokenProvider",
]
