"""REST: conversations, what a user sets of them, and their history."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from services.messaging.fanout.conversation_announcer import ConversationAnnouncer
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.rest.reads import Reads
from services.messaging.rest.schemas import (
    ConversationBody,
    ConversationChange,
    HistoryQuery,
    ListQuery,
    MessageBody,
    NewConversation,
)
from services.messaging.stores.conversations import MAX_PINNED, Conversations, TooManyPinned
from shared.directory import Directory, Profile
from shared.protocol import conversations as protocol
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.relay import ConversationMuted
from shared.rest import CurrentUser, Page
from shared.rest.formats import UuidText
from shared.rest.json import json_response
from shared.rest.rate_limit import RateLimit

ConversationId = Annotated[UuidText, Path(description="A conversation of the asking user.")]

NEVER_SEEN = (
    "No user has this name or id: people exist from their first sign-in, or once the platform has made them through the "
    "server API"
)


class ConversationEndpoints:
    """The paths below `/chat/conversations`. `announcer` tells the user's devices of changes, `outgoing` the notifier.

    `creations`: how many new conversations a user may open; None: without limit.
    """

    def __init__(
        self,
        conversations: Conversations,
        reads: Reads,
        directory: Directory,
        announcer: ConversationAnnouncer,
        outgoing: OutgoingEvents,
        creations: RateLimit | None,
    ) -> None:
        self._conversations = conversations
        self._reads = reads
        self._directory = directory
        self._announcer = announcer
        self._outgoing = outgoing
        self._creations = creations

    def add_to(self, router: APIRouter) -> None:
        """Add the paths, in the order of the protocol."""
        one, page = "/conversations/{conversation_id}", Page[ConversationBody]
        add: Any = router.add_api_route
        standing: dict[int, Any] = {200: {"model": ConversationBody, "description": "It stands already"}}
        make: dict[str, Any] = {"status_code": 201, "response_model": ConversationBody, "responses": standing}
        add("/conversations", self.create, methods=["POST"], **make)
        add("/conversations", self.list, methods=["GET"], response_model=page)
        add(one, self.conversation, methods=["GET"], response_model=ConversationBody)
        add(one, self.change, methods=["PATCH"], response_model=ConversationBody)
        add(one, self.clear, methods=["DELETE"], status_code=204, response_class=Response)
        add(f"{one}/messages", self.history, methods=["GET"], response_model=Page[MessageBody])

    async def create(self, user: CurrentUser, body: NewConversation) -> Response:
        """Open the direct conversation with another user: 201 when it is new, 200 when it exists."""
        other = await self._other(body)
        if other.user_id == user.user_id:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "A conversation needs another user than yourself")
        if self._creations is not None and not await self._conversations.exists(user.user_id, other.user_id):
            await self._creations.require(user.user_id, "Too many new conversations")
        conversation_id, created = await self._conversations.create(user.user_id, other.user_id)
        return json_response(await self._find(user.user_id, conversation_id), 201 if created else 200)

    async def list(self, user: CurrentUser, query: Annotated[ListQuery, Query()]) -> Response:
        """The user's conversations: pinned ones first, then the newest first.

        A conversation that moves up while the pages are read appears on a later page, even if it was on an earlier one.
        """
        return _json(await self._reads.list(user, query))

    async def conversation(self, user: CurrentUser, conversation_id: ConversationId) -> Response:
        """One conversation."""
        return json_response(await self._find(user.user_id, conversation_id))

    async def change(self, user: CurrentUser, conversation_id: ConversationId, body: ConversationChange) -> Response:
        """Mute, archive, pin or mark as unread, or undo that. All of the user's devices are told."""
        settings, own_id = body.settings, conversation_id.lower()
        try:
            changed_ms = await self._conversations.change(user.user_id, own_id, settings)
        except TooManyPinned:
            message = f"At most {MAX_PINNED} conversations can be pinned: unpin one first"
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, message) from None
        if changed_ms is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        if settings.mute:
            until = settings.muted_until
            until_ms = None if until is None else round(until.timestamp() * 1000)
            await self._outgoing.muted(ConversationMuted(user.user_id, own_id, until_ms, changed_ms))
        if not body.model_fields_set:
            return json_response(await self._find(user.user_id, own_id))
        view = await self._announcer.updated(user.user_id, own_id)
        if view is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        return json_response(view)

    async def clear(self, user: CurrentUser, conversation_id: ConversationId) -> Response:
        """«Delete for me»: hide everything up to now from the user, permanently. The other participant is not told."""
        cleared = await self._conversations.clear(user.user_id, conversation_id.lower())
        if cleared is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        await self._announcer.cleared(user.user_id, conversation_id.lower(), cleared)
        return Response(status_code=204)

    async def history(
        self, user: CurrentUser, conversation_id: ConversationId, query: Annotated[HistoryQuery, Query()]
    ) -> Response:
        """Messages by ascending seq: after `afterSeq`, the last ones before `beforeSeq`, around `aroundSeq`, or the newest."""
        return _json(await self._reads.history(user, conversation_id, query))

    async def _other(self, body: NewConversation) -> Profile:
        if body.userId is not None:
            other = await self._directory.find(body.userId.lower())
        else:
            other = await self._directory.find_by_username(body.username or "")
        if other is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND, NEVER_SEEN)
        return other

    async def _find(self, user_id: str, conversation_id: str) -> protocol.Conversation:
        found = await self._reads.views.find(user_id, conversation_id)
        if found is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        return found


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
