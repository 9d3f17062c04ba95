"""REST: conversations, history, unread counts, blocks, and the user's own profile."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response

from services.messaging.rest.history import Position
from services.messaging.rest.schemas import (
    BlockBody,
    ConversationBody,
    HistoryQuery,
    MessageBody,
    NewConversation,
    Participant,
    ProfileChange,
    UnreadBody,
    UuidText,
)
from services.messaging.stores.blocks import Blocks
from services.messaging.stores.conversations import Conversation, Conversations
from services.messaging.stores.messages import Messages
from services.messaging.stores.unread import UnreadCounts
from shared.directory import Directory
from shared.protocol import limits
from shared.protocol.codec import instant, is_uuid
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import Message
from shared.rest import CurrentUser, Page, decode_page, encode_page
from shared.rest.paging import PageParameters

ConversationId = Annotated[UuidText, Path(description="A conversation of the asking user.")]

_SPARSE: Final[dict[str, Any]] = {"response_model_exclude_unset": True}
"""Messages come without the fields that say nothing."""


class Endpoints:
    """The stores behind the paths."""

    def __init__(
        self,
        conversations: Conversations,
        messages: Messages,
        counts: UnreadCounts,
        blocks: Blocks,
        directory: Directory,
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._counts = counts
        self._blocks = blocks
        self._directory = directory

    def router(self) -> APIRouter:
        """The paths, as the contract lists them."""
        router = APIRouter(prefix="/chat")
        router.add_api_route("/conversations", self.create, methods=["POST"], status_code=201, **_SPARSE)
        router.add_api_route("/conversations", self.newest, methods=["GET"], **_SPARSE)
        router.add_api_route("/conversations/{conversation_id}", self.conversation, methods=["GET"], **_SPARSE)
        router.add_api_route("/conversations/{conversation_id}/messages", self.history, methods=["GET"], **_SPARSE)
        router.add_api_route("/unread", self.unread, methods=["GET"])
        router.add_api_route("/blocks", self.blocked, methods=["GET"])
        router.add_api_route("/users/me", self.me, methods=["GET"])
        router.add_api_route("/users/me", self.change_me, methods=["PATCH"])
        return router

    async def create(self, user: CurrentUser, body: NewConversation, response: Response) -> ConversationBody:
        """The direct conversation with another user: 201 when it is new, 200 when it stands."""
        if body.userId is not None:
            other = await self._directory.find(body.userId.lower())
        else:
            other = await self._directory.find_by_username(body.username or "")
        if other is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND)
        if other.user_id == user.user_id:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "A conversation needs another user than yourself")
        conversation_id, created = await self._conversations.create(user.user_id, other.user_id)
        response.status_code = 201 if created else 200
        return await self.conversation(user, conversation_id)

    async def newest(self, user: CurrentUser, query: PageParameters) -> Page[ConversationBody]:
        """The user's conversations, newest first."""
        after = None if query.page is None else _position_of(query.page)
        found = await self._conversations.newest(user.user_id, query.limit + 1, after)
        shown = found[: query.limit]
        last = await self._last_messages(user.user_id, shown)
        return Page(
            items=[ConversationBody.of(c, last.get(c.conversation_id)) for c in shown],
            nextPage=_page_after(shown[-1]) if len(found) > len(shown) else None,
        )

    async def conversation(self, user: CurrentUser, conversation_id: ConversationId) -> ConversationBody:
        """One conversation."""
        found = await self._find(user.user_id, conversation_id)
        last = await self._last_messages(user.user_id, [found])
        return ConversationBody.of(found, last.get(found.conversation_id))

    async def history(
        self, user: CurrentUser, conversation_id: ConversationId, query: Annotated[HistoryQuery, Query()]
    ) -> Page[MessageBody]:
        """Messages by ascending seq: behind `afterSeq`, the last ones before `beforeSeq`, or the newest."""
        position = Position.of(query.afterSeq, query.beforeSeq, query.page)
        found = await self._find(user.user_id, conversation_id)
        seqs = position.seqs(found.last_seq, query.limit)
        messages = await self._messages.at([(user.user_id, found.conversation_id, seq) for seq in seqs])
        return Page(
            items=[MessageBody.of(message) for message in messages], nextPage=position.next_page(seqs, found.last_seq)
        )

    async def unread(self, user: CurrentUser) -> UnreadBody:
        """Unread messages, from PostgreSQL."""
        counts = await self._counts.of(user.user_id)
        return UnreadBody(total=sum(counts.values()), conversations=counts)

    async def blocked(self, user: CurrentUser, query: PageParameters) -> Page[BlockBody]:
        """Whom the user blocks, newest first."""
        start = 0 if query.page is None else _offset_of(query.page)
        found = await self._blocks.of(user.user_id, query.limit + 1, start)
        shown = found[: query.limit]
        return Page(
            items=[BlockBody(username=username, blockedAt=instant(at)) for username, at in shown],
            nextPage=encode_page(str(start + len(shown))) if len(found) > len(shown) else None,
        )

    async def me(self, user: CurrentUser) -> Participant:
        """The user's own profile."""
        profile = await self._directory.find(user.user_id)
        if profile is None:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND)
        return Participant.of(profile)

    async def change_me(self, user: CurrentUser, body: ProfileChange) -> Participant:
        """Change the display name, the avatar, or both."""
        given = body.model_fields_set
        profile = await self._directory.update(
            user.user_id,
            display_name=body.displayName,
            avatar=body.avatar,
            clear_avatar="avatar" in given and body.avatar is None,
        )
        return Participant.of(profile)

    async def _find(self, user_id: str, conversation_id: str) -> Conversation:
        found = await self._conversations.find(user_id, conversation_id)
        if found is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        return found

    async def _last_messages(self, user_id: str, conversations: list[Conversation]) -> dict[str, Message]:
        places = [(user_id, c.conversation_id, c.last_seq) for c in conversations if c.last_seq]
        return {message.conversation_id: message for message in await self._messages.at(places)}


def _page_after(conversation: Conversation) -> str:
    return encode_page(f"{conversation.updated_at.isoformat()}|{conversation.conversation_id}")


def _position_of(page: str) -> tuple[datetime, str]:
    at, _, conversation_id = decode_page(page).partition("|")
    try:
        position = datetime.fromisoformat(at).astimezone(UTC)
    except (ValueError, OverflowError):
        position = None
    if position is None or not is_uuid(conversation_id):
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: not a page of this list")
    return position, conversation_id


def _offset_of(page: str) -> int:
    text = decode_page(page)
    if not (text.isascii() and text.isdigit()) or int(text) > limits.MAX_SAFE_INTEGER:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: not a page of this list")
    return int(text)
