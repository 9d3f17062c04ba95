"""What to do with commands: each kind goes to its store in one statement, and what came of it into the outbox."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import msgspec

from services.messaging import metrics
from services.messaging.announcements import (
    announce_marks,
    announce_new,
    announce_reading,
    announce_sent,
    announcement_of,
    message_of,
)
from services.messaging.blocks import Blocks
from services.messaging.indicators import TypingIndicators
from services.messaging.messages import Appended, Draft, Messages
from services.messaging.outbox import Outbox
from services.messaging.receipts import EVERYTHING, Mark, Receipts
from services.messaging.references import asker_of, key_of, reference_of
from shared.directory import Directory
from shared.protocol.errors import ErrorCode
from shared.protocol.payloads import Message
from shared.protocol.relay import (
    BlockChanged,
    Command,
    CommandBatch,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
)

C = TypeVar("C")
Asked: TypeAlias = tuple[CommandBatch, int, C]
"""A command with the batch that it came in, and its place there."""


class Handlers:
    """The stores that commands go to."""

    def __init__(
        self,
        messages: Messages,
        receipts: Receipts,
        blocks: Blocks,
        indicators: TypingIndicators,
        directory: Directory,
    ) -> None:
        self._messages = messages
        self._receipts = receipts
        self._blocks = blocks
        self._indicators = indicators
        self._directory = directory

    async def send(self, asked: Sequence[Asked[SendMessage]], outbox: Outbox) -> None:
        """Append messages and announce them. What a client repeats is answered to its sender alone."""
        with metrics.APPEND_SECONDS.time():
            appended = await self._messages.append(
                [Draft(send, key_of(batch, place, send)) for batch, place, send in asked]
            )
        originals = await self._originals(asked, appended)
        untold = untold_places(asked, appended) if originals else set()
        unread: dict[tuple[str, str], int] = {}
        for (batch, _, send), result in zip(asked, appended, strict=True):
            place = (send.conversation_id, result.receiver_id)
            if result.verdict == "new":
                unread[place] = unread.get(place, result.unread) + 1
                message = message_of(send, result)
                announce_sent(outbox, send, message)
                announce_new(outbox, send, result, message, unread[place])
            elif result.verdict == "repeated":
                original = originals[send.conversation_id, result.seq]
                announce_sent(outbox, send, original)
                if (send.conversation_id, result.seq) in untold:
                    untold.remove((send.conversation_id, result.seq))
                    known = result._replace(message_id=original.id)
                    announce_new(outbox, send, known, original, unread.get(place, result.unread))
            else:
                outbox.refuse(asker_of(batch, send), ErrorCode(result.verdict), reference_of(send))
        metrics.count_verdicts("send", (result.verdict for result in appended))

    async def mark(self, asked: Sequence[Asked[MarkRead | MarkDelivered]], outbox: Outbox) -> None:
        """Move marks, one for each (conversation, user), and announce what became of them: of a batch that may have been
        handled before even where nothing moves.
        """
        marks: dict[tuple[str, str], Mark] = {}
        for batch, _, command in asked:
            place = (command.conversation_id, command.user_id)
            mark = marks.get(place) or Mark(*place, None, None)
            marks[place] = merge(mark._replace(again=True) if batch.again else mark, command)
        with metrics.MARK_SECONDS.time():
            marked = dict(zip(marks, await self._receipts.mark(list(marks.values())), strict=True))
        for batch, _, command in asked:
            result = marked[command.conversation_id, command.user_id]
            if result.verdict != "marked":
                outbox.refuse(asker_of(batch, command), ErrorCode(result.verdict), reference_of(command))
            elif isinstance(command, MarkRead):
                announce_reading(outbox, command, result)
        for place, result in marked.items():
            if result.verdict == "marked":
                announce_marks(outbox, marks[place], result)
        metrics.count_verdicts("mark", (result.verdict for result in marked.values()))

    async def block(self, batch: CommandBatch, command: SetBlock, outbox: Outbox) -> None:
        """Block or unblock by username."""
        profile = await self._directory.find_by_username(command.username)
        if profile is None or profile.user_id == command.user_id:
            code = ErrorCode.USER_NOT_FOUND if profile is None else ErrorCode.VALIDATION_ERROR
            outbox.refuse(asker_of(batch, command), code, reference_of(command))
            metrics.count_verdicts("block", (code,))
            return
        with metrics.BLOCK_SECONDS.time():
            block = await self._blocks.set(command.user_id, profile.user_id, active=command.blocked)
        if block.active:
            await self._indicators.end_between(command.user_id, profile.user_id)
        outbox.answer(asker_of(batch, command), command.user_id, announcement_of(block, profile.username))
        outbox.blocks.append(BlockChanged(command.user_id, profile.user_id, block.active, block.version))
        metrics.count_verdicts("block", ("set" if block.active else "lifted",))

    def fail(self, batch: CommandBatch, command: Command, error_id: str, outbox: Outbox) -> None:
        """Answer a command that raised an error which nobody foresaw, and which was logged under `error_id`."""
        message = f"Internal error {error_id}"
        outbox.refuse(asker_of(batch, command), ErrorCode.INTERNAL_ERROR, reference_of(command), message)

    async def _originals(
        self, asked: Sequence[Asked[SendMessage]], appended: Sequence[Appended]
    ) -> dict[tuple[str, int], Message]:
        """(conversation, seq) → the stored message, of those that were sent again."""
        places = [
            (send.user_id, send.conversation_id, result.seq)
            for (_, _, send), result in zip(asked, appended, strict=True)
            if result.verdict == "repeated"
        ]
        originals = await self._messages.at(places)
        return {(m.conversation_id, m.seq): msgspec.structs.replace(m, sender=msgspec.UNSET) for m in originals}


def untold_places(asked: Sequence[Asked[SendMessage]], appended: Sequence[Appended]) -> set[tuple[str, int]]:
    """(conversation, seq) of messages whose receivers are still to be told: those that were stored before, in a batch that
    comes again. While a block stands, nobody is told.
    """
    untold, stored_now = set(), set()
    for (batch, _, send), result in zip(asked, appended, strict=True):
        if result.verdict == "new":
            stored_now.add((send.conversation_id, result.seq))
        elif result.verdict == "repeated" and batch.again and not result.blocked:
            untold.add((send.conversation_id, result.seq))
    return untold - stored_now


def merge(mark: Mark, command: MarkRead | MarkDelivered) -> Mark:
    """The mark that covers both `mark` and `command`."""
    if isinstance(command, MarkDelivered):
        return mark._replace(delivered_to=max(mark.delivered_to or 0, command.seq))
    seq = EVERYTHING if command.seq is None else command.seq
    return mark._replace(read_to=max(mark.read_to or 0, seq))
