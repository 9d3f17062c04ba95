"""What to do with commands: each kind goes to its store in one statement, and what came of it into the outbox."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import msgspec

from services.messaging.announcements import announce_marks, announce_message, announce_reading, message_of
from services.messaging.blocks import Blocks
from services.messaging.messages import Appended, Draft, Messages
from services.messaging.outbox import Asker, Outbox
from services.messaging.receipts import EVERYTHING, Mark, Receipts
from shared.directory import Directory
from shared.protocol import client
from shared.protocol.codec import instant
from shared.protocol.errors import ErrorCode, ErrorReference
from shared.protocol.payloads import BlockAddedPayload, BlockRemovedPayload, Message
from shared.protocol.relay import BlockChanged, CommandBatch, MarkDelivered, MarkRead, SendMessage, SetBlock
from shared.protocol.server import BlockAdded, BlockRemoved, event_type

SEND = event_type(client.MessageSend)
READ = event_type(client.MessageRead)
DELIVERED = event_type(client.MessageDelivered)
BLOCK_ADD = event_type(client.BlockAdd)
BLOCK_REMOVE = event_type(client.BlockRemove)


C = TypeVar("C")
Asked: TypeAlias = tuple[CommandBatch, int, C]
"""A command with the batch that it came in, and its place there."""


class Handlers:
    """The stores that commands go to."""

    def __init__(self, messages: Messages, receipts: Receipts, blocks: Blocks, directory: Directory) -> None:
        self._messages = messages
        self._receipts = receipts
        self._blocks = blocks
        self._directory = directory

    async def send(self, asked: Sequence[Asked[SendMessage]], outbox: Outbox) -> None:
        """Append messages and announce them. Repeated ones are announced again, and counted once."""
        appended = await self._messages.append(
            [Draft(send, key_of(batch, place, send)) for batch, place, send in asked]
        )
        originals = await self._originals(asked, appended)
        unread: dict[tuple[str, str], int] = {}
        for (batch, _, send), result in zip(asked, appended, strict=True):
            place = (send.conversation_id, result.receiver_id)
            if result.verdict == "new":
                unread[place] = unread.get(place, result.unread) + 1
                announce_message(outbox, send, result, message_of(send, result), unread[place])
            elif result.verdict == "repeated":
                original = originals[send.conversation_id, result.seq]
                known = result._replace(message_id=original.id)
                announce_message(outbox, send, known, original, unread.get(place, result.unread))
            else:
                ref = ErrorReference(SEND, send.temp_id, send.conversation_id)
                outbox.refuse(Asker(batch.gateway_id, send.connection_id), ErrorCode(result.verdict), ref)

    async def mark(self, asked: Sequence[Asked[MarkRead | MarkDelivered]], outbox: Outbox) -> None:
        """Move marks, one for each (conversation, user), and announce what became of them."""
        marks: dict[tuple[str, str], Mark] = {}
        for _, _, command in asked:
            place = (command.conversation_id, command.user_id)
            marks[place] = merge(marks.get(place, Mark(*place, None, None)), command)
        marked = dict(zip(marks, await self._receipts.mark(list(marks.values())), strict=True))
        for batch, _, command in asked:
            result = marked[command.conversation_id, command.user_id]
            if result.verdict == "marked":
                if isinstance(command, MarkRead):
                    announce_reading(outbox, command, result)
            else:
                ref = ErrorReference(
                    READ if isinstance(command, MarkRead) else DELIVERED, None, command.conversation_id
                )
                outbox.refuse(Asker(batch.gateway_id, command.connection_id), ErrorCode(result.verdict), ref)
        for place, result in marked.items():
            if result.verdict == "marked":
                announce_marks(outbox, marks[place], result)

    async def block(self, gateway_id: str, command: SetBlock, outbox: Outbox) -> None:
        """Block or unblock by username."""
        asker = Asker(gateway_id, command.connection_id)
        ref = ErrorReference(BLOCK_ADD if command.blocked else BLOCK_REMOVE)
        profile = await self._directory.find_by_username(command.username)
        if profile is None:
            outbox.refuse(asker, ErrorCode.USER_NOT_FOUND, ref)
            return
        if profile.user_id == command.user_id:
            outbox.refuse(asker, ErrorCode.VALIDATION_ERROR, ref)
            return
        block = await self._blocks.set(command.user_id, profile.user_id, active=command.blocked)
        at = instant(block.at)
        event = (
            BlockAdded(BlockAddedPayload(profile.username, at))
            if block.active
            else BlockRemoved(BlockRemovedPayload(profile.username, at))
        )
        outbox.answer(asker, command.user_id, event)
        outbox.blocks.append(BlockChanged(command.user_id, profile.user_id, block.active, block.version))

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


def key_of(batch: CommandBatch, place: int, send: SendMessage) -> str:
    """What a message is known by when it comes again: the sender's `tempId`, or else where it stood in its batch.

    Gateways take a new random id at each start, so that no client can guess the second kind.
    """
    return send.temp_id or f"{batch.gateway_id}/{batch.batch_id}/{place}"


def merge(mark: Mark, command: MarkRead | MarkDelivered) -> Mark:
    """The mark that covers both `mark` and `command`."""
    if isinstance(command, MarkDelivered):
        return mark._replace(delivered_to=max(mark.delivered_to or 0, command.seq))
    seq = EVERYTHING if command.seq is None else command.seq
    return mark._replace(read_to=max(mark.read_to or 0, seq))
