"""Exports what messaging stores about a user: own messages in full; of other users' messages only sender and time."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from services.messaging.server_api.user_data import (
    OwnSettings,
    UserBlock,
    UserConversation,
    UserData,
    UserReaction,
    UserReport,
    UserRevision,
    UserUpload,
)
from services.messaging.stores.messages import Messages
from shared.protocol.codec import instant, json_encoder
from shared.protocol.payloads import Message
from shared.protocol.requests import ExportPage

BATCH: Final = 100
"""Messages in one page: at 32 KiB each at most, they fit into an answer."""

R = TypeVar("R")


class _Listed(Generic[R]):
    """Rows of a user that are read page by page: `read` takes (user, position to start after, how many)."""

    def __init__(
        self,
        read: Callable[[str, str, int], Awaitable[list[R]]],
        show: Callable[[R], dict[str, Any]],
        position: Callable[[R], str],
    ) -> None:
        self._read = read
        self._show = show
        self._position = position

    async def page(self, user_id: str, after: str) -> tuple[list[str], str]:
        """Return the next lines, and the position of the last one; '' when there are no more."""
        rows = await self._read(user_id, after, BATCH)
        return [_line(self._show(row)) for row in rows], self._position(rows[-1]) if len(rows) == BATCH else ""


class Export:
    """Pages through a user's conversations, and then through the lists. Every method raises what asyncpg raises."""

    def __init__(self, data: UserData, messages: Messages) -> None:
        self._data = data
        self._messages = messages
        self._lists: dict[str, _Listed[Any]] = {
            "revisions": _Listed(data.revisions, _revision, lambda revision: revision.position),
            "blocks": _Listed(data.blocks, _block, lambda block: block.position),
            "uploads": _Listed(data.uploads, _upload, lambda upload: upload.upload_id),
            "reports": _Listed(data.reports, _report, lambda report: report.report_id),
        }

    async def page(self, user_id: str, page: str) -> ExportPage:
        """Return the lines after `page`: a conversation and the seq that was exported last (0: all), or a list and a position."""
        place, _, position = page.partition(":")
        if place in self._lists:
            return await self._list_page(user_id, place, position)
        after = int(position or 0)
        if after:
            found = await self._data.conversation(place)
        else:
            found = await self._data.conversation_after(user_id, place)
        if found is None:
            return ExportPage([], f"{next(iter(self._lists))}:")
        lines, last = await self._messages_page(user_id, found, after)
        return ExportPage(lines, f"{found.conversation_id}:{last}")

    async def _messages_page(self, user_id: str, found: UserConversation, after: int) -> tuple[list[str], int]:
        """Return a conversation's lines after a seq, and the seq of the last one; 0 when there are no more."""
        lines: list[str] = []
        if not after:
            lines.append(_line(_conversation(found, await self._data.settings(user_id, found.conversation_id))))
        after = max(after, found.first_seq - 1)
        seqs = range(after + 1, min(found.last_seq, after + BATCH) + 1)
        if not seqs:
            return lines, 0
        messages = await self._messages.at([(user_id, found.conversation_id, each) for each in seqs])
        lines += [_line(_message(message, user_id)) for message in messages]
        reactions = await self._data.reactions(user_id, found.conversation_id, seqs[0], seqs[-1])
        lines += [_line(_reaction(found.conversation_id, reaction)) for reaction in reactions]
        return lines, seqs[-1] if seqs[-1] < found.last_seq else 0

    async def _list_page(self, user_id: str, name: str, after: str) -> ExportPage:
        """Return a page of a list; after its last page the next list begins."""
        lines, last = await self._lists[name].page(user_id, after)
        if last:
            return ExportPage(lines, f"{name}:{last}")
        names = [*self._lists, ""]
        following = names[names.index(name) + 1]
        return ExportPage(lines, following and f"{following}:")


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


def _conversation(found: UserConversation, own: OwnSettings) -> dict[str, Any]:
    return {
        "kind": "conversation",
        "id": found.conversation_id,
        "userIds": [found.user_low, found.user_high],
        "createdAt": instant(found.created_at),
        "me": {
            "mutedUntil": own.muted_until and instant(own.muted_until),
            "archived": own.archived,
            "pinned": own.pinned,
            "markedUnread": own.marked_unread,
            "clearedSeq": own.cleared_seq,
        },
    }


def _revision(revision: UserRevision) -> dict[str, Any]:
    return {
        "kind": "revision",
        "conversationId": revision.conversation_id,
        "seq": revision.seq,
        "content": revision.content,
        "replacedAt": instant(revision.replaced_at),
    }


def _message(message: Message, user_id: str) -> dict[str, Any]:
    """Return the user's own message in full; of another user's, only sender and time."""
    shown: dict[str, Any] = msgspec.json.decode(json_encoder.encode(message))
    if message.sender_id != user_id:
        shown = {name: shown[name] for name in ("id", "conversationId", "seq", "senderId", "createdAt")}
    return {"kind": "message", **shown}


def _line(fields: dict[str, Any]) -> str:
    return json_encoder.encode(fields).decode()
