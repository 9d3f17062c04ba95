"""REST: users report messages."""

# ruff: noqa: N815 - camel case is the contract's

import asyncio
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.messaging.rest.schemas import NO_NUL
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.messages import Messages
from services.messaging.stores.reports import Complaint, Reports
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import CurrentUser
from shared.rest.bodies import WHOLE, RequestBody
from shared.rest.formats import IdText, InstantText, UuidText
from shared.rest.rate_limit import RateLimit

Seq = Annotated[int, Field(ge=1, le=limits.MAX_SAFE_INTEGER), WHOLE]


class NewReport(RequestBody):
    """Which messages of a conversation, and why."""

    conversationId: UuidText
    seqs: list[Seq] = Field(min_length=1, max_length=limits.MAX_REPORTED_MESSAGES)
    reason: str = Field(min_length=1, max_length=limits.MAX_REPORT_REASON_CHARACTERS, pattern=NO_NUL)
    comment: str | None = Field(None, max_length=limits.MAX_REPORT_COMMENT_CHARACTERS, pattern=NO_NUL)


class ReportMade(BaseModel):
    """The report that was stored."""

    id: IdText
    conversationId: IdText
    seqs: list[int]
    reason: str
    comment: str | None
    state: str
    createdAt: InstantText


class ReportEndpoints:
    """The path `/chat/reports`. `rate`: how often a user may report, None without limit."""

    def __init__(
        self, conversations: Conversations, messages: Messages, reports: Reports, rate: RateLimit | None
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._reports = reports
        self._rate = rate
        self._turn = asyncio.Lock()
        """One report at a time: it may copy a hundred large messages, and nobody waits for it as for an acknowledgement."""

    def router(self) -> APIRouter:
        """Return the path."""
        router = APIRouter(prefix="/chat")
        router.add_api_route("/reports", self.report, methods=["POST"], status_code=201)
        return router

    async def report(self, user: CurrentUser, body: NewReport) -> ReportMade:
        """Report messages of one of the user's conversations. The report keeps a copy of them as they are now."""
        conversation_id = body.conversationId.lower()
        conversation = await self._conversations.find(user.user_id, conversation_id)
        if conversation is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        if self._rate is not None:
            await self._rate.require(user.user_id, "Too many reports")
        seqs = sorted(set(body.seqs))
        async with self._turn:
            messages = await self._messages.at([(user.user_id, conversation_id, seq) for seq in seqs])
            if len(messages) < len(seqs) or seqs[0] <= conversation.cleared_seq:
                raise ProtocolError(ErrorCode.MESSAGE_NOT_FOUND)
            complaint = Complaint(conversation_id, user.user_id, body.reason, body.comment)
            made = await self._reports.add(complaint, messages)
        return ReportMade(**{name: made[name] for name in ReportMade.model_fields if name in made}, seqs=seqs)
