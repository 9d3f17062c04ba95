"""Takes deleted messages out of inboxes: a replay shows them as they now stand.

What shows the message loses its content, a change of it becomes `message.deleted`, and a quote of it keeps `seq` alone. An entry
of a stream can't be changed, and one that is removed leaves its bytes in the stream's node: the inbox is written anew.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from services.messaging.fanout.message_changes import DeletedMessage
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.server import MessageDeleted, MessageUpdated, ReactionUpdated, event_type
from shared.redis import Script, Shards

_FIND: Final = Script("services.messaging.fanout", "find_entries")
_REPLACE: Final = Script("services.messaging.fanout", "replace_entries")
_DELETED: Final = event_type(MessageDeleted)
_CHANGES: Final = frozenset({event_type(MessageUpdated), event_type(ReactionUpdated)})
_GONE: Final = ("replyTo", "metadata", "editedAt", "reactions")
_COUNTED: Final = '"total":'
"""How the text of an event ends whose unread total stands behind it."""


class InboxEraser:
    """Rewrites the inboxes of users."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def erase(self, deleted: Iterable[DeletedMessage]) -> None:
        """Take these messages out of the inboxes of their users. Raises RedisError; repeating it changes nothing."""
        by_user: dict[str, list[DeletedMessage]] = defaultdict(list)
        for message in deleted:
            for user_id in message.user_ids:
                by_user[user_id].append(message)
        for user_id, messages in by_user.items():
            await self._erase(user_id, messages)

    async def _erase(self, user_id: str, messages: list[DeletedMessage]) -> None:
        shard = self._shards.of(user_id)
        patterns = [(message.conversation_id, f'"seq":{message.seq}[,}}]') for message in messages]
        found = await _FIND(shard, user_id, msgpack_encoder.encode(patterns))
        replaced: list[str] = []
        for entry_id, text in zip(found[::2], found[1::2], strict=True):
            erased = erase_from(text.decode(), messages)
            if erased != text.decode():
                replaced += (entry_id.decode(), erased)
        if replaced:
            await _REPLACE(shard, user_id, msgpack_encoder.encode(replaced))


def erase_from(text: str, messages: Iterable[DeletedMessage]) -> str:
    """The text of an inbox entry (an event up to its unread total, or to its last brace) without the deleted messages."""
    counted = text.endswith(_COUNTED)
    event = msgspec.json.decode(text + ("0}}}" if counted else "}"))
    for message in messages:
        event = _erase_event(event, message)
    encoded = json_encoder.encode(event).decode()
    return encoded.removesuffix("0}}}") if counted else encoded.removesuffix("}")


def _erase_event(event: dict[str, Any], message: DeletedMessage) -> dict[str, Any]:
    payload = event["payload"]
    if event["type"] in _CHANGES and _is(payload, message):
        place = {"conversationId": message.conversation_id, "seq": message.seq, "deletedAt": message.deleted_at}
        return {"type": _DELETED, "payload": place}
    return {**event, "payload": _erase_value(payload, message)}


def _erase_value(value: Any, message: DeletedMessage) -> Any:
    """A payload, or a part of it, in which every object that shows the message or quotes it is replaced."""
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
