"""Handles commands: each kind goes to its store in one statement, and the results become effects of the cycle."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from services.messaging import metrics
from services.messaging.batched_commands import BatchedCommand, key_of, reply_address_of
from services.messaging.change_handlers import ChangeHandlers
from services.messaging.fanout.conversation_announcer import ConversationAnnouncer
from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.event_builders import (
    add_mark_updates,
    add_message_new,
    add_message_sent,
    add_read_ack,
    block_event,
    message_of,
)
from services.messaging.stored_ids import note_stored
from services.messaging.stores.blocks import Blocks
from services.messaging.stores.changes import Changes
from services.messaging.stores.messages import Appended, Draft, Messages
from services.messaging.stores.receipts import EVERYTHING, Mark, Receipts
from services.messaging.typing_indicators.indicators import TypingIndicators
from shared.directory import Directory
from shared.protocol.errors import ErrorCode
from shared.protocol.payloads import Message
from shared.protocol.references import reference_of
from shared.protocol.relay import (
    BlockChanged,
    Command,
    CommandBatch,
    EditMessage,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
)

SEND_ADVICE: Final[dict[str, str]] = {
    ErrorCode.USER_NOT_FOUND: "This user was deleted; if they came back, "
    "open the conversation again with POST /chat/conversations"
}
"""Verdict on a message → what the sender is told, where the code's own text doesn't say what to do."""


class Handlers:
    """One method for each kind of command. Every method adds to the effects and raises what its store raises."""

    def __init__(
        self,
        messages: Messages,
        receipts: Receipts,
        blocks: Blocks,
        indicators: TypingIndicators,
        directory: Directory,
        changes: Changes,
    ) -> None:
        self._messages = messages
        self._receipts = receipts
        self._blocks = blocks
        self._indicators = indicators
        self._directory = directory
        self.changes = ChangeHandlers(changes)
        self.announcer: ConversationAnnouncer | None = None
        """Set by `app`, because it needs the fan-out."""

    def refuse_rejected(self, batches: Iterable[CommandBatch], effects: CycleEffects) -> None:
        """Answer commands that moderation rejected, with its reason."""
        for batch in batches:
            for command in batch.commands:
                if isinstance(command, SendMessage | EditMessage) and command.rejected is not None:
                    address = reply_address_of(batch, command)
                    effects.refuse(address, ErrorCode.NOT_ALLOWED, reference_of(command), command.rejected)

    async def send(self, commands: Sequence[BatchedCommand[SendMessage]], effects: CycleEffects) -> list[Appended]:
        """Append messages and announce them.

        A repeated message is answered only to its sender. Returns the result of each.
        """
        with metrics.APPEND_SECONDS.time():
            appended = await self._messages.append(
                [Draft(send, key_of(batch, place, send)) for batch, place, send in commands]
            )
        read = await self._read(commands, appended)
        shown = await self._read(commands, appended, for_receivers=True) if read else {}
        unannounced = unannounced_places(commands, appended) if read else set()
        unread: dict[tuple[str, str], int] = {}
        for (batch, _, send), result in zip(commands, appended, strict=True):
            place = (send.conversation_id, result.receiver_id)
            for user_id in changed_by_itself(batch, send, result):
                effects.conversations.add((user_id, send.conversation_id))
            if result.verdict == "new":
                unread[place] = unread.get(place, result.unread) + 1
                version = result.version
                message = message_of(send, result)
                if send.reply_to is not None:
                    message, version = read[send.conversation_id, result.seq]
                add_message_sent(effects, send, message, version)
                received, _ = shown.get((send.conversation_id, result.seq), (message, version))
                add_message_new(effects, send, result, received, unread[place])
            elif result.verdict == "repeated":
                original, version = read[send.conversation_id, result.seq]
                add_message_sent(effects, send, original, version)
                if (send.conversation_id, result.seq) in unannounced:
                    unannounced.remove((send.conversation_id, result.seq))
                    known = result._replace(message_id=original.id)
                    received, _ = shown.get((send.conversation_id, result.seq), (original, version))
                    add_message_new(effects, send, known, received, unread.get(place, result.unread))
            else:
                code, advice = ErrorCode(result.verdict), SEND_ADVICE.get(result.verdict)
                effects.refuse(reply_address_of(batch, send), code, reference_of(send), advice)
        metrics.count_verdicts("send", (result.verdict for result in appended))
        note_stored(commands, appended, effects)
        return appended

    async def mark(self, commands: Sequence[BatchedCommand[MarkRead | MarkDelivered]], effects: CycleEffects) -> None:
        """Move marks, one for each (conversation, user), and announce the moves.

        For a redelivered batch, marks are announced even when they don't move now.
        """
        commands = await self._bound(commands)
        marks: dict[tuple[str, str], Mark] = {}
        acknowledged: dict[tuple[str, str], int] = {}
        for batch, _, command in commands:
            place = (command.conversation_id, command.user_id)
            if isinstance(command, MarkDelivered) and command.active:
                acknowledged[place] = max(acknowledged.get(place, 0), command.seq)
            mark = marks.get(place) or Mark(*place, None, None)
            marks[place] = merge(mark._replace(again=True) if batch.again else mark, command)
        with metrics.MARK_SECONDS.time():
            marked = dict(zip(marks, await self._receipts.mark(list(marks.values())), strict=True))
        for batch, _, command in commands:
            result = marked[command.conversation_id, command.user_id]
            if result.verdict != "marked":
                effects.refuse(reply_address_of(batch, command), ErrorCode(result.verdict), reference_of(command))
            elif isinstance(command, MarkRead):
                add_read_ack(effects, command, result)
        for place, result in marked.items():
            if result.verdict == "marked":
                add_mark_updates(effects, marks[place], result, acknowledged.get(place, 0))
                if result.unmarked or (marks[place].again and marks[place].read_to is not None):
                    effects.conversations.add((marks[place].user_id, marks[place].conversation_id))
        metrics.count_verdicts("mark", (result.verdict for result in marked.values()))

    async def _bound(
        self, commands: Sequence[BatchedCommand[MarkRead | MarkDelivered]]
    ) -> Sequence[BatchedCommand[MarkRead | MarkDelivered]]:
        """Return `commands` with a late «read all» limited to the messages that its reader could see when it was sent."""
        late = {
            place: (command.conversation_id, command.at_ms)
            for place, (_, _, command) in enumerate(commands)
            if isinstance(command, MarkRead) and command.seq is None and self._receipts.is_late(command.at_ms)
        }
        if not late:
            return commands
        bounded = list(commands)
        for place, seq in zip(late, await self._receipts.seen_at(list(late.values())), strict=True):
            batch, number, command = commands[place]
            bounded[place] = (batch, number, msgspec.structs.replace(command, seq=seq))
        return bounded

    async def block(self, commands: Sequence[BatchedCommand[SetBlock]], effects: CycleEffects) -> None:
        """Block or unblock by username or id: different users concurrently, each user's commands in order."""
        by_user: dict[str, list[BatchedCommand[SetBlock]]] = {}
        for one in commands:
            by_user.setdefault(one[2].user_id, []).append(one)
        await asyncio.gather(*(self._block_in_order(commands, effects) for commands in by_user.values()))

    async def _block_in_order(self, commands: Sequence[BatchedCommand[SetBlock]], effects: CycleEffects) -> None:
        for batch, _, command in commands:
            await self._block(batch, command, effects)

    async def _block(self, batch: CommandBatch, command: SetBlock, effects: CycleEffects) -> None:
        if command.by_id:
            profile = await self._directory.find(command.target)
        else:
            profile = await self._directory.find_by_username(command.target)
        if profile is None or profile.user_id == command.user_id:
            code = ErrorCode.USER_NOT_FOUND if profile is None else ErrorCode.VALIDATION_ERROR
            effects.refuse(reply_address_of(batch, command), code, reference_of(command))
            metrics.count_verdicts("block", (code,))
            return
        with metrics.BLOCK_SECONDS.time():
            block = await self._blocks.set(
                command.user_id, profile.user_id, active=command.blocked, issued_ms=command.at_ms
            )
        if block.active and block.changed:
            await self._indicators.end_between(command.user_id, profile.user_id)
        effects.answer(reply_address_of(batch, command), command.user_id, block_event(block, profile.username))
        if block.changed or batch.again:
            effects.blocks.append(BlockChanged(command.user_id, profile.user_id, block.active, block.version))
        metrics.count_verdicts("block", ("repeated" if not block.changed else "set" if block.active else "lifted",))

    async def announce(self, effects: CycleEffects) -> None:
        """Announce conversations that a message changed (such as unarchived ones) to the users whose settings changed."""
        if self.announcer is not None:
            for user_id, conversation_id in effects.conversations:
                await self.announcer.updated(user_id, conversation_id)

    def fail(self, batch: CommandBatch, command: Command, error_id: str, effects: CycleEffects) -> None:
        """Answer a command that raised an unexpected error, which was logged under `error_id`."""
        message = f"Internal error {error_id}"
        effects.refuse(reply_address_of(batch, command), ErrorCode.INTERNAL_ERROR, reference_of(command), message)

    async def _read(
        self,
        commands: Sequence[BatchedCommand[SendMessage]],
        appended: Sequence[Appended],
        *,
        for_receivers: bool = False,
    ) -> dict[tuple[str, int], tuple[Message, int]]:
        """Return (conversation, seq) → (the current message, its conversation's version).

        It reads messages that were sent again, and replies, whose quotes only the store knows. Neither side sees a quote of
        messages that it has cleared.
        """
        places = [
            (result.receiver_id if for_receivers else send.user_id, send.conversation_id, result.seq)
            for (_, _, send), result in zip(commands, appended, strict=True)
            if result.verdict == "repeated" or (result.verdict == "new" and send.reply_to is not None)
        ]
        return {
            (message.conversation_id, message.seq): (msgspec.structs.replace(message, sender=msgspec.UNSET), version)
            for message, version in await self._messages.versions_at(places)
        }


def unannounced_places(
    commands: Sequence[BatchedCommand[SendMessage]], appended: Sequence[Appended]
) -> set[tuple[str, int]]:
    """Return (conversation, seq) of messages that were stored before and must still be announced to their receivers.

    That is so when their batch was redelivered. While a block is in force, nothing is announced.
    """
    unannounced, stored_now = set(), set()
    for (batch, _, send), result in zip(commands, appended, strict=True):
        if result.verdict == "new":
            stored_now.add((send.conversation_id, result.seq))
        elif result.verdict == "repeated" and batch.again and not result.blocked:
            unannounced.add((send.conversation_id, result.seq))
    return unannounced - stored_now


def changed_by_itself(batch: CommandBatch, send: SendMessage, result: Appended) -> Sequence[str]:
    """Return the users whose settings of the conversation this message changed.

    A redelivered batch may have changed them before.
    """
    if result.verdict == "repeated" and batch.again:
        return send.user_id, result.receiver_id
    return result.unarchived or ()


def merge(mark: Mark, command: MarkRead | MarkDelivered) -> Mark:
    """Return the mark that covers both `mark` and `command`."""
    if isinstance(command, MarkDelivered):
        return mark._replace(delivered_to=max(mark.delivered_to or 0, command.seq))
    seq = EVERYTHING if command.seq is None else command.seq
    return mark._replace(read_to=max(mark.read_to or 0, seq))
