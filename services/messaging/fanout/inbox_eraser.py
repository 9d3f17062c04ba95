"""Removes deleted messages, cleared history and erased people from inboxes, so that a replay shows their current state.

An event that shows a deleted message loses the content, a change of it becomes `message.deleted`, and a quote of it keeps only
`seq`. The event that the conversation was cleared replaces those that show its history.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec

from services.messaging.fanout.inbox_rewriting import History, InboxRewriting
from services.messaging.fanout.message_changes import DeletedMessage
from shared.directory import ERASED_NAME
from shared.protocol import keys
from shared.protocol.codec import json_encoder
from shared.protocol.server import MessageDeleted, MessageUpdated, ReactionUpdated, event_type
from shared.redis import Partitions

_DELETED: Final = event_type(MessageDeleted)
_CHANGES: Final = frozenset({event_type(MessageUpdated), event_type(ReactionUpdated)})
_GONE: Final = ("replyTo", "metadata", "editedAt", "reactions")
_COUNTED: Final = '"total":'
"""The end of an event's text when its unread total is stored separately."""


class InboxEraser:
    """Rewrites the inboxes of users. Raises RedisError or TimeoutError; repeating it changes nothing."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def erase(self, deleted: Iterable[DeletedMessage]) -> None:
        """Remove these messages from the inboxes of their users."""
        by_user: dict[str, list[DeletedMessage]] = defaultdict(list)
        for message in deleted:
            for user_id in message.user_ids:
                by_user[user_id].append(message)
        for user_id, messages in by_user.items():
            await self._erase(user_id, messages)

    async def erase_person(self, user_id: str, person_id: str) -> None:
        """Remove the profile of an erased person from a user's inbox."""
        await self._change(user_id, [History(person_id, '"username":')], lambda event: _erase_person(event, person_id))

    async def clear(self, user_id: str, conversation_id: str, seq: int, cleared: str, *, delivered: bool) -> None:
        """Replace a conversation's messages up to a seq by the text of the event that it was cleared.

        `delivered`: all of them are in the inbox, so it needn't be read again for this seq.
        """
        partition = self._partitions.of(user_id)
        done = partition.key(keys.INBOX_CLEARED, user_id)
        of_conversation = f'"conversationId":"{conversation_id}"'
        shown = [
            History(of_conversation, '"type":"message%.', newest=seq),
            History(of_conversation, '"type":"reaction%.', newest=seq),
            # Settings of the conversation carry its last message.
            History(f'"id":"{conversation_id}"', '"type":"conversation%.updated"'),
        ]
        async with self._rewriting(user_id) as inbox:
            if int(await partition.client.hget(done, conversation_id) or -1) >= seq:
                return
            await inbox.change(shown, lambda _: cleared, own=True)
            left = await partition.client.pttl(partition.key(keys.INBOX, user_id))
            if left > 0 and delivered:
                await partition.client.hset(done, conversation_id, str(seq))
                await partition.client.pexpire(done, left)

    async def _erase(self, user_id: str, messages: list[DeletedMessage]) -> None:
        seqs: dict[str, set[int]] = defaultdict(set)
        for message in messages:
            seqs[message.conversation_id].add(message.seq)
        shown = [History(conversation_id, seqs=tuple(found)) for conversation_id, found in seqs.items()]
        await self._change(user_id, shown, lambda event: _erase_messages(event, messages))

    async def _change(self, user_id: str, shown: Sequence[History], change: Callable[[Any], Any]) -> None:
        """Change the events that show any of this history."""
        async with self._rewriting(user_id) as inbox:
            await inbox.change(shown, lambda text: _changed(text, change))

    def _rewriting(self, user_id: str) -> AbstractAsyncContextManager[InboxRewriting]:
        return InboxRewriting.of(self._partitions.of(user_id), user_id)


def _changed(text: str, change: Callable[[Any], Any]) -> str:
    """Return the text of an inbox entry (an event up to its unread total, or to its last brace) with its event changed."""
    counted = text.endswith(_COUNTED)
    event = change(msgspec.json.decode(text + ("0}}}" if counted else "}")))
    encoded = json_encoder.encode(event).decode()
    return encoded.removesuffix("0}}}") if counted else encoded.removesuffix("}")


def _erase_person(value: Any, person_id: str) -> Any:
    """Return an event, or a part of it, with the person's profile replaced by that of an erased user."""
    if isinstance(value, list):
        return [_erase_person(item, person_id) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("id") == person_id and "username" in value:
        return {**value, "username": person_id, "displayName": ERASED_NAME, "avatar": None}
    return {name: _erase_person(item, person_id) for name, item in value.items()}


def _erase_messages(event: dict[str, Any], messages: Iterable[DeletedMessage]) -> dict[str, Any]:
    for message in messages:
        event = _erase_event(event, message)
    return event


def _erase_event(event: dict[str, Any], message: DeletedMessage) -> dict[str, Any]:
    payload = event["payload"]
    if event["type"] in _CHANGES and _is(payload, message):
        place = {"conversationId": message.conversation_id, "seq": message.seq, "deletedAt": message.deleted_at}
        return {"type": _DELETED, "payload": place}
    return {**event, "payload": _erase_value(payload, message)}


def _erase_value(value: Any, message: DeletedMessage) -> Any:
    """Return a payload, or a part of it, with every object replaced that shows or quotes the message."""
    if isinstance(value, list):
        return [_erase_value(item, message) for item in value]
    if not isinstance(value, dict):
        return value
    if "senderId" not in value:
        return {name: _erase_value(item, message) for name, item in value.items()}
    if _is(value, message):
        kept = {name: item for name, item in value.items() if name not in _GONE}
        return {**kept, "content": None, "media": [], "deletedAt": message.deleted_at}
    quoted = value.get("replyTo")
    if value.get("conversationId") == message.conversation_id and quoted and quoted["seq"] == message.seq:
        return {**value, "replyTo": {"seq": message.seq, "deletedAt": message.deleted_at}}
    return value


def _is(value: dict[str, Any], message: DeletedMessage) -> bool:
    return value.get("conversationId") == message.conversation_id and value.get("seq") == message.seq
