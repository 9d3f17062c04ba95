"""Imports lines in batches: consecutive lines of one kind go to the service that owns them together."""

import time
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from services.admin.import_lines import ConversationLine, FollowLine, Line, MessageLine, UserLine, line_decoder
from shared.auth import Principal
from shared.directory import Directory
from shared.media_hosts import MediaHosts
from shared.protocol import limits
from shared.protocol.errors import ProtocolError
from shared.protocol.requests import (
    FollowChange,
    ImportConversations,
    Imported,
    ImportedMessage,
    ImportMessages,
    SetFollows,
)
from shared.protocol.topology import MESSAGING_REQUESTS, PRESENCE_REQUESTS
from shared.requests import Requester

BATCH_LINES: Final = 2_000
"""Lines of one batch, which is one commit.

Larger ones cost fewer writes, but lock their conversations for longer (0.4 s here).
"""
BATCH_BYTES: Final = 1024 * 1024
BATCH_SECONDS: Final = 30
MOST_FAILURES: Final = 1_000
"""Most failed lines that an answer describes. It always has their number."""

L = TypeVar("L", UserLine, FollowLine, ConversationLine, MessageLine)


def _line(failed: dict[str, Any]) -> int:
    return int(failed["line"])


@dataclass(slots=True)
class Result:
    """The result of the lines so far. `failed`: number of the line (from 1) and what is wrong with it, in order."""

    imported: int = 0
    skipped: int = 0
    failures: int = 0
    failed: list[dict[str, Any]] = field(default_factory=list)

    def fail(self, line: int, error: str) -> None:
        """Record that a line failed."""
        self.failures += 1
        # A batch finds faults after later lines were parsed.
        insort(self.failed, {"line": line, "error": error}, key=_line)
        del self.failed[MOST_FAILURES:]

    def count(self, new: Sequence[bool]) -> None:
        """Count stored lines; those that existed before count as skipped."""
        self.imported += sum(new)
        self.skipped += len(new) - sum(new)

    def add(self, part: "Result") -> None:
        """Add the result of some lines."""
        self.imported += part.imported
        self.skipped += part.skipped
        self.failures += part.failures
        self.failed = sorted([*self.failed, *part.failed], key=_line)[:MOST_FAILURES]


class Batch:
    """Lines of one kind that are carried out together."""

    def __init__(self) -> None:
        self.kind: type[Any] | None = None
        self.lines: list[tuple[int, Any]] = []
        self.size = 0

    def takes(self, line: Line) -> bool:
        """Return True when the line fits into this batch."""
        most = limits.MAX_FOLLOW_CHANGES if isinstance(line, FollowLine) else BATCH_LINES
        room = len(self.lines) < most and self.size < BATCH_BYTES
        return room and self.kind in {None, type(line)}

    def add(self, number: int, line: Line, size: int) -> None:
        """Add a line."""
        self.kind = type(line)
        self.lines.append((number, line))
        self.size += size


class Importer:
    """Carries out lines in order. Every method raises ProtocolError (unavailable) when an owning service doesn't answer."""

    def __init__(self, directory: Directory, requester: Requester, media_hosts: MediaHosts) -> None:
        self._media_hosts = media_hosts
        self._directory = directory
        self._requester = requester

    async def take(self, number: int, text: bytes, batch: Batch, result: Result) -> Batch:
        """Add a line to a batch; a full one is carried out first. Returns the batch that the next line may join."""
        try:
            line = line_decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            result.fail(number, str(error))
            return batch
        if not batch.takes(line):
            await self.run(batch, result)
            batch = Batch()
        batch.add(number, line, len(text))
        return batch

    async def run(self, batch: Batch, result: Result) -> None:
        """Carry a batch out. When the owning service refuses it, its lines are carried out one by one."""
        if not batch.lines:
            return
        part = Result()
        try:
            await self._run(batch.lines, part)
        except ProtocolError as error:
            if error.event.error.retryable is True and error.status == 503:
                raise
            if len(batch.lines) == 1:
                result.fail(batch.lines[0][0], error.event.error.message)
                return
            for number, line in batch.lines:
                one = Batch()
                one.add(number, line, 0)
                await self.run(one, result)
        else:
            result.add(part)

    async def _run(self, lines: Sequence[tuple[int, Any]], result: Result) -> None:
        first = lines[0][1]
        if isinstance(first, UserLine):
            await self._users([line for _, line in lines], result)
            return
        known = await self._known(lines, result)
        if not known:
            return
        if isinstance(first, FollowLine):
            changes = [FollowChange(line.follower, line.followee, follows=True) for _, line in known]
            asked = SetFollows(changes, announce=False)
            answer = await self._requester.ask(PRESENCE_REQUESTS, asked, Imported, seconds=BATCH_SECONDS)
            result.count(answer.new)
        elif isinstance(first, ConversationLine):
            given = [(*line.user_ids, line.created_at_ms) for _, line in known]
            await self._ask(ImportConversations(given), result)
        else:
            await self._messages(known, result)

    async def _messages(self, lines: Sequence[tuple[int, MessageLine]], result: Result) -> None:
        messages: list[ImportedMessage] = []
        for number, line in lines:
            try:
                messages.append(line.message(self._media_hosts))
            except (msgspec.ValidationError, ValueError) as error:
                result.fail(number, str(error))
        if messages:
            await self._ask(ImportMessages(messages), result)

    async def _ask(self, request: ImportConversations | ImportMessages, result: Result) -> None:
        answer = await self._requester.ask(MESSAGING_REQUESTS, request, Imported, seconds=BATCH_SECONDS)
        result.count(answer.new)

    async def _users(self, lines: Sequence[UserLine], result: Result) -> None:
        before = await self._directory.known([line.id for line in lines])
        now = time.time()
        await self._directory.ensure_all(
            Principal(
                line.id,
                expires_at=now,
                issued_at=now,
                username=line.username,
                name=line.display_name,
                picture=line.avatar,
            )
            for line in lines
        )
        result.count([line.id not in before for line in lines])

    async def _known(self, lines: Sequence[tuple[int, Any]], result: Result) -> list[tuple[int, Any]]:
        """Return the lines whose users exist; the others fail."""
        users = {user for _, line in lines for user in _users_of(line)}
        known = await self._directory.known(users)
        found = []
        for number, line in lines:
            unknown = [user for user in _users_of(line) if user not in known]
            if unknown:
                result.fail(number, f"No user has the id {unknown[0]}")
            else:
                found.append((number, line))
        return found


def _users_of(line: FollowLine | ConversationLine | MessageLine) -> tuple[str, str]:
    return (line.follower, line.followee) if isinstance(line, FollowLine) else line.user_ids
