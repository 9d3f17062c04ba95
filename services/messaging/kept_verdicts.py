"""Verdicts of the moderation hook, kept for a day under the message's idempotency key, so that a retry gets the same one.

The text of a verdict (a reason, a replacement) is encrypted with a key that is derived from the message. So a sender who repeats
the message can read it, and once the message is deleted nobody can.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec
from cryptography.fernet import Fernet

from shared.protocol import keys
from shared.protocol.codec import json_encoder, msgpack_encoder
from shared.protocol.relay import EditMessage, SendMessage
from shared.redis import Partitions, Script

KEPT_SECONDS: Final = 86_400
_KEEP: Final = Script("services.messaging", "keep_verdicts")

Moderated = SendMessage | EditMessage
Asked = tuple[Moderated, str]
"""A message or an edit, and its idempotency key."""


class Decision(msgspec.Struct, array_like=True, frozen=True):
    """What to do with a message. `reason` is for its sender."""

    action: Literal["allow", "reject", "replace"]
    reason: str | None = None
    content: str | None = None


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    """A decision in Redis. `body`: hash of the content that was judged; `sealed`: the encrypted decision, empty for «allow»."""

    body: bytes
    sealed: bytes = b""


ALLOW: Final = Decision("allow")
_entry_decoder: Final = msgspec.msgpack.Decoder(_Entry)
_decision_decoder: Final = msgspec.msgpack.Decoder(Decision)


class KeptVerdicts:
    """The verdicts in Redis. Every method raises RedisError, and may be repeated."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions

    async def find(self, asked: Sequence[Asked]) -> list[Decision | None]:
        """Return the earlier decisions for the same keys and contents, or None."""
        found: list[Decision | None] = [None] * len(asked)
        for index, places in self._by_partition(asked).items():
            partition = self._partitions.at(index)
            names = [partition.key(keys.VERDICT, _name(*asked[place])) for place in places]
            texts = cast("list[bytes | None]", await partition.client.mget(names))
            for place, text in zip(places, texts, strict=True):
                found[place] = _open(text, asked[place][0])
        return found

    async def keep(self, asked: Sequence[Asked], decisions: Sequence[Decision]) -> None:
        """Store a decision on each."""
        for index, places in self._by_partition(asked).items():
            partition = self._partitions.at(index)
            entries: list[str | bytes] = []
            for place in places:
                entries += (_name(*asked[place]), msgpack_encoder.encode(_seal(decisions[place], asked[place][0])))
            await _KEEP(partition, str(KEPT_SECONDS), *entries)

    def _by_partition(self, asked: Sequence[Asked]) -> dict[int, list[int]]:
        """Return index of a partition → indexes in `asked`."""
        places: dict[int, list[int]] = defaultdict(list)
        for place, (command, _) in enumerate(asked):
            places[self._partitions.index_of(command.conversation_id)].append(place)
        return places


def _name(command: Moderated, key: str) -> str:
    place = f"{command.seq}/{key}" if isinstance(command, EditMessage) else key
    return f"{command.conversation_id}:{command.user_id}:{place}"


def _seal(decision: Decision, command: Moderated) -> _Entry:
    body = _body(command)
    sealed = b"" if decision == ALLOW else _fernet(body).encrypt(msgpack_encoder.encode(decision))
    return _Entry(_hash(b"body", body), sealed)


def _open(text: bytes | None, command: Moderated) -> Decision | None:
    """Return the decision of an entry; None when there is none, or it was about another content."""
    if text is None:
        return None
    entry, body = _entry_decoder.decode(text), _body(command)
    if entry.body != _hash(b"body", body):
        return None
    return _decision_decoder.decode(_fernet(body).decrypt(entry.sealed)) if entry.sealed else ALLOW


def _fernet(body: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_hash(b"seal", body)))


def _hash(purpose: bytes, body: bytes) -> bytes:
    return hashlib.sha256(purpose + b"\0" + body).digest()


def _body(command: Moderated) -> bytes:
    """Return a hash that distinguishes a repetition from a different message with the same key."""
    parts: tuple[Any, ...] = (command.content,)
    if isinstance(command, SendMessage):
        parts = (command.type, command.content, command.media, command.metadata, command.reply_to)
    return json_encoder.encode(parts)
