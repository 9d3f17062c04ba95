"""Takes the server API's requests to those who carry them out."""

import msgspec

from services.messaging.platform.conversations import PlatformConversations
from services.messaging.platform.sends import Sends
from shared.protocol.requests import MessagingRequest, OpenConversation, SendAs, TakeDown


class PlatformRequests:
    """One branch for each kind of request."""

    def __init__(self, conversations: PlatformConversations, sends: Sends) -> None:
        self._conversations = conversations
        self._sends = sends

    async def handle(self, request: MessagingRequest, again: bool) -> msgspec.Struct:
        """Carry out one request, and return its answer. Raises ProtocolError, and what the backends raise."""
        if isinstance(request, OpenConversation):
            return await self._conversations.open(*request.user_ids)
        if isinstance(request, SendAs):
            return await self._sends.send(request.send, again)
        if isinstance(request, TakeDown):
            return await self._sends.take_down(request.conversation_id, request.seq, again)
        return await self._conversations.read(request)
