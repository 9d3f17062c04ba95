"""Removes deleted messages and erased people from inboxes, so that a replay shows their current state.

An event that shows the message loses the content, a change of it becomes `message.deleted`, and a quote of it keeps only `seq`.
An entry of a stream can't be changed, and a removed one leaves its bytes in the stream's node. So the inbox is written again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from services.messaging.fanout.message_changes import DeletedMessage
from shared.directory import ERASED_NAME
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.server import MessageDeleted, MessageUpdated, ReactionUpdated, event_type
from shared.redis import Partitions, Script

_FIND: Final = Script("services.messaging.fanout", "find_entries")
_REPLACE: Final = Script("services.messaging.fanout", "replace_entries")
_DELETED: Final = event_type(MessageDeleted)
_CHANGES: Final = frozenset({event_type(MessageUpdated), event_type(ReactionUpdated)})
_GONE: Final = ("replyTo", "metadata", "editedAt", "reactions")
_COUNTED: Final = '"total":'
"""The end of an event's text when its unread total is stored separately."""


class InboxEraser:
    """Rewrites the inboxes of users."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def erase(self, deleted: Iterable[DeletedMessage]) -> None:
        """Remove these messages from the inboxes of their users. Raises RedisError; repeating it changes nothing."""
        by_user: dict[str, list[DeletedMessage]] = defaultdict(list)
        for message in deleted:
            for user_id in message.user_ids:
                by_user[user_id].append(message)
        for user_id, messages in by_user.items():
            await self._erase(user_id, messages)

    async def erase_person(self, user_id: str, person_id: str) -> None:
        """Remove the profile of an erased person from a user's inbox. Raises RedisError; repeating it changes nothing."""
        await self._rewrite(user_id, [(person_id, '"username":')], lambda event: _erase_person(event, person_id))

    async def _erase(self, user_id: str, messages: list[DeletedMessage]) -> None:
        patterns = [(message.conversation_id, f'"seq":{message.seq}[,}}]') for message in messages]
        await self._rewrite(user_id, patterns, lambda event: _erase_messages(event, messages))

    async def _rewrite(self, user_id: str, patterns: Sequence[tuple[str, str]], change: Callable[[Any], Any]) -> None:
        """Change events whose texts contain the first and match the second item of a pair in `patterns`."""
        partition = self._partitions.of(user_id)
        found = await _FIND(partition, user_id, msgpack_encoder.encode(patterns))
        replaced: list[str] = []
        for entry_id, text in zip(found[::2], found[1::2], strict=True):
            changed = _changed(text.decode(), change)
            if changed != text.decode():
                replaced += (entry_id.decode(), changed)
        if replaced:
            await _REPLACE(partition, user_id, msgpack_encoder.encode(replaced))


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
