"""Attaches uploads to messages, and releases them at deletion, in the transaction of the message itself.

The caller holds the transaction. `resolve` locks the uploads, and puts their descriptions into the messages' media. Then the
caller stores the messages, and `use` attaches each upload to its message. A message that was stored before (with the same key)
finds its own uploads, and so gets the same media again.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import asyncpg
import msgspec

from shared.postgres import load_sql
from shared.protocol.errors import ErrorCode
from shared.protocol.payloads import has_uploads

_PACKAGE: Final = "shared.uploads"
_LOCK: Final = load_sql(_PACKAGE, "lock_uploads")
_USE: Final = load_sql(_PACKAGE, "use_uploads")
_RELEASE: Final = load_sql(_PACKAGE, "release_uploads")
_RELEASE_OF_USER: Final = load_sql(_PACKAGE, "release_uploads_of_user")
_OF_USER: Final = load_sql(_PACKAGE, "uploads_of_user")
_IS_PARTICIPANT: Final = load_sql(_PACKAGE, "is_participant")

_NOT_READY: Final = frozenset({"reserved", "processing"})
_items: Final = msgspec.json.Decoder(list[dict[str, Any]])

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class Claim(NamedTuple):
    """A message to store. `key`: its idempotency key; `media`: the JSON text of its attachments."""

    user_id: str
    conversation_id: str
    key: str
    media: str


class Resolved(NamedTuple):
    """The result of a claim: the media to store and the uploads to attach, or the reason why not."""

    media: str
    upload_ids: tuple[str, ...]
    refusal: ErrorCode | None = None


async def resolve(connection: Connection, claims: Sequence[Claim]) -> list[Resolved]:
    """Lock the uploads that `claims` name, and describe each message's attachments, in order.

    Of several claims for one upload the first one gets it. Raises what asyncpg raises.
    """
    named = [_items.decode(claim.media) for claim in claims]
    ids = sorted({upload_id for items in named for upload_id in _upload_ids(items)})
    rows = {row["id"]: row for row in await connection.fetch(_LOCK, ids)}
    taken: dict[str, tuple[str, str]] = {}
    return [_resolve(claim, items, rows, taken) for claim, items in zip(claims, named, strict=True)]


async def use(connection: Connection, used: Sequence[tuple[str, int, str]]) -> None:
    """Attach uploads to their messages: (upload id, seq, key). Uploads that are attached already stay as they are."""
    if used:
        await connection.execute(_USE, *map(list, zip(*used, strict=True)))


async def release(connection: Connection, messages: Iterable[tuple[str, int]]) -> None:
    """Release the uploads of messages that are being deleted: (conversation id, seq). Repeating it does nothing.

    After the commit nobody can read them, and media soon deletes their objects.
    """
    places = list(messages)
    if places:
        await connection.execute(_RELEASE, *map(list, zip(*places, strict=True)))


async def release_of_user(connection: Connection, user_id: str) -> None:
    """Release all uploads of a user who is being erased. Repeating it does nothing."""
    await connection.execute(_RELEASE_OF_USER, user_id)


async def of_user(pool: "asyncpg.Pool[asyncpg.Record]", user_id: str, after: str, most: int) -> list[asyncpg.Record]:
    """Return at most `most` uploads of a user after the id `after`: id, conversation, state, name, type, size, time."""
    return await pool.fetch(_OF_USER, user_id, after, most)


async def is_participant(connection: "Connection | asyncpg.Pool[asyncpg.Record]", conversation: str, user: str) -> bool:
    """Return whether a user is a participant of a conversation."""
    return bool(await connection.fetchval(_IS_PARTICIPANT, conversation, user))


def _resolve(
    claim: Claim,
    items: list[dict[str, Any]],
    rows: dict[str, asyncpg.Record],
    taken: dict[str, tuple[str, str]],
) -> Resolved:
    ids = tuple(_upload_ids(items))
    message = (claim.conversation_id, claim.key)
    for upload_id in ids:
        refusal = _refusal(claim, rows.get(upload_id), taken.get(upload_id, message) == message)
        if refusal is not None:
            return Resolved(claim.media, (), refusal)
    taken.update(dict.fromkeys(ids, message))
    media = [_described(item, rows) for item in items]
    return Resolved(f"[{','.join(media)}]", ids)


def _refusal(claim: Claim, row: "asyncpg.Record | None", free: bool) -> ErrorCode | None:
    """Return why the message can't have this upload, or None."""
    if row is None or row["user_id"] != claim.user_id or row["conversation_id"] != claim.conversation_id:
        return ErrorCode.UPLOAD_NOT_FOUND
    if row["state"] in _NOT_READY:
        return ErrorCode.UPLOAD_NOT_READY
    own = row["state"] == "used" and row["message_key"] == claim.key
    if not free or not (own or row["state"] == "ready"):
        return ErrorCode.UPLOAD_NOT_FOUND
    return None


def _described(item: dict[str, Any], rows: dict[str, asyncpg.Record]) -> str:
    upload_id = item.get("uploadId")
    return msgspec.json.encode(item).decode() if upload_id is None else str(rows[upload_id]["media"])


def _upload_ids(items: Iterable[dict[str, Any]]) -> Iterable[str]:
    return (item["uploadId"] for item in items if "uploadId" in item)


__all__ = [
    "Claim",
    "Resolved",
    "has_uploads",
    "is_participant",
    "of_user",
    "release",
    "release_of_user",
    "resolve",
    "use",
]
