"""Conversations and their messages."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.admin.authentication import CallingService, call_of
from services.admin.new_messages import command_of
from services.admin.schemas import ConversationBody, HistoryQuery, MessageBody, NewConversation, NewMessage
from shared.directory import Directory
from shared.media_hosts import MediaHosts
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.requests import Done, Messages, OpenConversation, Opened, ReadMessages, SendAs, Sent, TakeDown
from shared.protocol.topology import MESSAGING_REQUESTS
from shared.requests import Requester
from shared.rest import Page, decode_page, encode_page
from shared.rest.formats import UuidText

ConversationId = Annotated[UuidText, Path(description="A conversation.")]
Seq = Annotated[int, Path(ge=1, le=limits.MAX_SAFE_INTEGER)]
IdempotencyKey = Annotated[str | None, Header(max_length=255)]
_FORWARD, _BACKWARD = "after", "before"


class ConversationRoutes:
    """The paths of conversations and messages."""

    def __init__(self, directory: Directory, requester: Requester, media_hosts: MediaHosts) -> None:
        self._media_hosts = media_hosts
        self._directory = directory
        self._requester = requester

    def router(self) -> APIRouter:
        """The paths."""
        router = APIRouter()
        standing: dict[int | str, Any] = {200: {"model": ConversationBody, "description": "It stands already"}}
        router.add_api_route("/conversations", self.open, methods=["POST"], status_code=201, responses=standing)
        path = "/conversations/{conversation_id}/messages"
        repeated: dict[int | str, Any] = {200: {"model": MessageBody, "description": "It was sent before"}}
        router.add_api_route(path, self.send, methods=["POST"], status_code=201, responses=repeated)
        router.add_api_route(path, self.read, methods=["GET"])
        router.add_api_route(
            f"{path}/{{seq}}", self.take_down, methods=["DELETE"], status_code=204, response_class=Response
        )
        return router

    async def open(
        self, _caller: CallingService, request: Request, body: NewConversation, response: Response
    ) -> ConversationBody:
        """Open the conversation of two users: 201 when it is new, 200 when it exists."""
        one, other = body.userIds
        call_of(request).concern(body.userIds)
        if one == other:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "userIds: a conversation needs two different users")
        unknown = {one, other} - await self._directory.known(body.userIds)
        if unknown:
            raise ProtocolError(ErrorCode.USER_NOT_FOUND, f"No user has the id {min(unknown)}")
        opened = await self._requester.ask(MESSAGING_REQUESTS, OpenConversation((one, other)), Opened)
        response.status_code = 201 if opened.created else 200
        return ConversationBody.model_validate_json(opened.conversation)

    async def send(
        self,
        _caller: CallingService,
        request: Request,
        conversation_id: ConversationId,
        body: NewMessage,
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> MessageBody:
        """Send as a user or as the system: 201 with the message; 200 with the first one for a repeated `tempId`."""
        if body.senderId is not None:
            call_of(request).concern([body.senderId])
        command = command_of(conversation_id, body, idempotency_key, self._media_hosts)
        sent = await self._requester.ask(MESSAGING_REQUESTS, SendAs(command), Sent)
        response.status_code = 201 if sent.created else 200
        return MessageBody.model_validate_json(sent.message)

    async def read(
        self, _caller: CallingService, conversation_id: ConversationId, query: Annotated[HistoryQuery, Query()]
    ) -> Page[MessageBody]:
        """Return messages by ascending seq: after `afterSeq`, the last ones before `beforeSeq`, or the newest."""
        if query.afterSeq is not None and query.beforeSeq is not None:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, "give afterSeq or beforeSeq, and not both")
        forward, seq = query.afterSeq is not None, query.afterSeq or query.beforeSeq or 0
        if query.page is not None:
            forward, seq = _position_of(query.page)
        asked = ReadMessages(conversation_id, seq, forward, query.limit)
        found = await self._requester.ask(MESSAGING_REQUESTS, asked, Messages)
        items = [MessageBody.model_validate_json(message) for message in found.messages]
        return Page(items=items, nextPage=_page_after(items, forward, found))

    async def take_down(self, _caller: CallingService, conversation_id: ConversationId, seq: Seq) -> None:
        """Take a message down, as if its sender deleted it for everybody. Repeating it is no error."""
        await self._requester.ask(MESSAGING_REQUESTS, TakeDown(conversation_id, seq), Done)


def _position_of(page: str) -> tuple[bool, int]:
    direction, _, seq = decode_page(page).partition(":")
    if direction not in {_FORWARD, _BACKWARD} or not (seq.isascii() and seq.isdigit()) or len(seq) > 16:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: must be a nextPage of this list")
    return direction == _FORWARD, int(seq)


def _page_after(items: list[MessageBody], forward: bool, found: Messages) -> str | None:
    """Return the token of the page after these messages in the same direction, or None."""
    if not items:
        return None
    if forward:
        return encode_page(f"{_FORWARD}:{items[-1].seq}") if items[-1].seq < found.last_seq else None
    return encode_page(f"{_BACKWARD}:{items[0].seq}") if items[0].seq > found.first_seq else None
