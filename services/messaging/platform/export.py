"""Exports what messaging has about a user: own messages in full, of others only who and when."""

from typing import Any, Final

import msgspec

from services.messaging.platform.user_data import (
    UserBlock,
    UserConversation,
    UserData,
    UserReaction,
    UserReport,
    UserUpload,
)
from services.messaging.stores.messages import Messages
from shared.protocol.codec import instant, json_encoder
from shared.protocol.payloads import Message
from shared.protocol.requests import ExportPage

BATCH: Final = 100
"""Messages in one page: of 32 KiB each at most, they fit into an answer."""
_UPLOADS: Final = "uploads"
_REPORTS: Final = "reports"
"""What stands in the place of a conversation in the pages behind the last one."""
_FIRST: Final = "00000000-0000-0000-0000-000000000000"


class Export:
    """Pages through a user's conversations. Every method raises what asyncpg raises."""

    def __init__(self, data: UserData, messages: Messages) -> None:
        self._data = data
        self._messages = messages

    async def page(self, user_id: str, page: str) -> ExportPage:
        """Lines from behind `page`: a conversation, and the seq that was exported last (0: all); then uploads and reports."""
        conversation_id, _, seq = page.partition(":")
        if conversation_id in {_UPLOADS, _REPORTS}:
            rest = self._uploads if conversation_id == _UPLOADS else self._reports
            return await rest(user_id, seq or _FIRST)
        after = int(seq or 0)
        if after:
            found = await self._data.conversation(conversation_id)
        else:
            found = await self._data.conversation_after(user_id, conversation_id or _FIRST)
        if found is None:
            blocks = [_line(_block(block)) for block in await self._data.blocks(user_id)]
            return ExportPage(blocks, f"{_UPLOADS}:")
        lines = [] if after else [_line(_conversation(found))]
        after = max(after, found.first_seq - 1)
        seqs = range(after + 1, min(found.last_seq, after + BATCH) + 1)
        messages = await self._messages.at([(user_id, found.conversation_id, each) for each in seqs])
        lines += [_line(_message(message, user_id)) for message in messages]
        if seqs:
            reactions = await self._data.reactions(user_id, found.conversation_id, seqs[0], seqs[-1])
            lines += [_line(_reaction(found.conversation_id, reaction)) for reaction in reactions]
        last = seqs[-1] if seqs and seqs[-1] < found.last_seq else 0
        return ExportPage(lines, f"{found.conversation_id}:{last}")

    async def _uploads(self, user_id: str, after: str) -> ExportPage:
        found = await self._data.uploads(user_id, after, BATCH)
        lines = [_line(_upload(upload)) for upload in found]
        return ExportPage(lines, f"{_UPLOADS}:{found[-1].upload_id}" if len(found) == BATCH else f"{_REPORTS}:")

    async def _reports(self, user_id: str, after: str) -> ExportPage:
        found = await self._data.reports(user_id, after, BATCH)
        lines = [_line(_report(report)) for report in found]
        return ExportPage(lines, f"{_REPORTS}:{found[-1].report_id}" if len(found) == BATCH else "")


def _reaction(conversation_id: str, reaction: UserReaction) -> dict[str, Any]:
    return {
        "kind": "reaction",
        "conversationId": conversation_id,
        "seq": reaction.seq,
        "emoji": reaction.emoji,
        "at": instant(reaction.at),
    }


def _upload(upload: UserUpload) -> dict[str, Any]:
    return {
        "kind": "upload",
        "id": upload.upload_id,
        "conversationId": upload.conversation_id,
        "state": upload.state,
        "name": upload.name,
        "mimeType": upload.mime_type,
        "size": upload.size,
        "createdAt": instant(upload.reserved_at),
    }


def _report(report: UserReport) -> dict[str, Any]:
    return {
        "kind": "report",
        "id": report.report_id,
        "conversationId": report.conversation_id,
        "reason": report.reason,
        "comment": report.comment,
        "state": report.state,
        "createdAt": instant(report.created_at),
    }


def _block(block: UserBlock) -> dict[str, Any]:
    return {
        "kind": "block",
        "blocker": block.blocker,
        "blocked": block.blocked,
        "active": block.active,
        "at": instant(block.changed_at),
    }


def _conversation(found: UserConversation) -> dict[str, Any]:
    return {
        "kind": "conversation",
        "id": found.conversation_id,
        "userIds": [found.user_low, found.user_high],
        "createdAt": instant(found.created_at),
    }


def _message(message: Message, user_id: str) -> dict[str, Any]:
    """The user's own message whole; of another's, who and when."""
    shown: dict[str, Any] = msgspec.json.decode(json_encoder.encode(message))
    if message.sender_id != user_id:
        shown = {name: shown[name] for name in ("id", "conversationId", "seq", "senderId", "createdAt")}
    return {"kind": "message", **shown}


def _line(fields: dict[str, Any]) -> str:
    return json_encoder.encode(fields).decode()
