"""Builds the events of changed messages from the stores' results.

A change goes to all devices of both participants. A repeated command is answered only to the devices of its user, unless its
batch was redelivered: then the change may not have been announced yet. While a block is in force, the other side gets nothing.
"""

from typing import NamedTuple

import msgspec

from services.messaging.fanout.cycle_effects import CycleEffects
from services.messaging.fanout.event_builders import counted_event, open_event
from services.messaging.fanout.message_changes import DeletedMessage
from services.messaging.fanout.user_events import NOBODY, Count
from services.messaging.stores.changes import Deleted, Edited, Reacted
from shared.protocol.codec import instant
from shared.protocol.payloads import MessageDeletedPayload, MessageUpdatedPayload, ReactionUpdatedPayload, Unread
from shared.protocol.relay import Change, DeleteMessage, EditMessage, SetReaction
from shared.protocol.server import MessageDeleted, MessageUpdated, ReactionUpdated


class Audience(NamedTuple):
    """Who is told of a change: the user of the command, and the other participant if `other` is true."""

    user_id: str
    other_id: str
    other: bool


def audience_of(command: Change, result: Edited | Deleted | Reacted, *, again: bool) -> Audience:
    """Return who is told of this result. `again`: the batch was redelivered."""
    changed = result.verdict != "repeated"
    return Audience(command.user_id, result.other_id, (changed or again) and not result.blocked)


def add_message_updated(effects: CycleEffects, edit: EditMessage, edited: Edited, *, again: bool) -> None:
    """Add `message.updated`, with the current content."""
    audience = audience_of(edit, edited, again=again)
    edited_at = None if edited.edited_at is None else instant(edited.edited_at)
    payload = MessageUpdatedPayload(edit.conversation_id, edit.seq, edited.content, edited_at)
    _add(effects, audience, MessageUpdated, payload, edit.temp_id, edited.version)
    if edited.verdict == "repeated" and not again:
        return
    _show(effects, audience, edit, edited.version)
    content = edited.content or ""
    effects.partition_of(audience.other_id).changes.change_push(edited.message_id, edited.created_at, content)
    last = effects.partition_of(edit.conversation_id).changes
    last.change_last(edit.conversation_id, edit.seq, edited.version, edited.message_id, content)


def add_message_deleted(effects: CycleEffects, delete: DeleteMessage, deleted: Deleted, *, again: bool) -> None:
    """Add `message.deleted`. The receiver's counts change even when a block hides the event."""
    audience = audience_of(delete, deleted, again=again)
    conversation_id, seq, version = delete.conversation_id, delete.seq, deleted.version
    payload = MessageDeletedPayload(conversation_id, seq, instant(deleted.deleted_at))
    _add(effects, audience._replace(other=False), MessageDeleted, payload, delete.temp_id, version)
    if deleted.verdict == "repeated" and not again:
        return
    _add_for_receiver(effects, audience, payload, deleted)
    _show(effects, audience._replace(other=True), delete, version)
    effects.partition_of(audience.other_id).changes.change_push(deleted.message_id, deleted.created_at, None)
    effects.partition_of(conversation_id).changes.change_last(conversation_id, seq, version, deleted.message_id, "")
    users = (audience.user_id, audience.other_id)
    effects.deleted.append(DeletedMessage(conversation_id, seq, payload.deleted_at, users))


def add_reaction_updated(effects: CycleEffects, reaction: SetReaction, reacted: Reacted, *, again: bool) -> None:
    """Add `reaction.updated`, with the current reaction."""
    audience = audience_of(reaction, reacted, again=again)
    payload = ReactionUpdatedPayload(
        reaction.conversation_id,
        reaction.seq,
        reaction.user_id,
        reaction.emoji,
        reacted.active,
        instant(reacted.at),
    )
    _add(effects, audience, ReactionUpdated, payload, reaction.temp_id, reacted.version)
    if reacted.verdict != "repeated" or again:
        _show(effects, audience, reaction, reacted.version)


def _add_for_receiver(
    effects: CycleEffects, audience: Audience, payload: MessageDeletedPayload, deleted: Deleted
) -> None:
    count = Count(payload.conversation_id, deleted.unread, deleted.version)
    events = effects.events_for(audience.other_id)
    if audience.other and deleted.was_unread:
        event = MessageDeleted(msgspec.structs.replace(payload, unread=Unread(deleted.unread, 0)))
        events.add_counted(counted_event(event), audience.user_id, count)
    elif audience.other:
        events.add(open_event(MessageDeleted(payload)), audience.user_id, deleted.version)
    elif deleted.was_unread:
        counter = events.counter(payload.conversation_id)
        effects.partition_of(audience.other_id).changes.recount(counter, count.unread, count.version)


def _add(
    effects: CycleEffects,
    audience: Audience,
    event: type[MessageUpdated] | type[MessageDeleted] | type[ReactionUpdated],
    payload: MessageUpdatedPayload | MessageDeletedPayload | ReactionUpdatedPayload,
    temp_id: str | None,
    version: int,
) -> None:
    """Add an event for everyone in the audience. The command's user gets it with the command's `tempId`."""
    own = payload if temp_id is None else msgspec.structs.replace(payload, temp_id=temp_id)
    effects.events_for(audience.user_id).add(open_event(event(own)), NOBODY, version)  # type: ignore[arg-type]
    if audience.other:
        text = open_event(event(payload))  # type: ignore[arg-type]
        effects.events_for(audience.other_id).add(text, audience.user_id, version)


def _show(effects: CycleEffects, audience: Audience, command: Change, version: int) -> None:
    users = (audience.user_id, audience.other_id) if audience.other else (audience.user_id,)
    for user_id in users:
        effects.partition_of(user_id).changes.show(user_id, command.conversation_id, command.seq, version)
