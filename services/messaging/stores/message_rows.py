"""Converts rows to messages: plain columns come first, then those that are null for most messages."""

from typing import Any, Final

import msgspec

from shared.protocol.codec import instant, instant_of_ms
from shared.protocol.payloads import Message, ReplyTo, Sender
from shared.protocol.relay import SYSTEM_USER
from shared.uploads import UploadSigner

NO_MEDIA: Final = msgspec.Raw(b"[]")
_NOTHING_RARE: Final[list[Any]] = [None] * 6


class Profile(msgspec.Struct, array_like=True):
    """A user as the directory has them. Names are None when none of the user's tokens was seen."""

    id: str
    username: str | None
    display_name: str | None
    avatar: str | None

    def sender(self) -> Sender:
        """Return the profile as a message's sender. A sender whose name is unknown is named by the id."""
        return sender_of(self.id, self.username, self.display_name, self.avatar)


def sender_of(user_id: str, username: str | None, display_name: str | None, avatar: str | None) -> Sender:
    """Return a sender. A sender whose name is unknown is named by the id."""
    return Sender(user_id, username or user_id, display_name or user_id, avatar)


class Quoted(msgspec.Struct, array_like=True):
    """The message that a reply quotes."""

    sender_id: str
    type: Any
    content: str | None
    deleted_ms: int | None


_quoted_decoder: Final = msgspec.json.Decoder(Quoted)


class Receipt:
    """When a message was read and delivered. Reading implies delivery, so the earlier time counts as the delivery."""

    __slots__ = ("delivered_at", "read_at")

    def __init__(self, read_at: str | None, delivered_at: str | None) -> None:
        self.read_at = read_at
        # Times in UTC sort as texts.
        early = read_at is not None and (delivered_at is None or read_at < delivered_at)
        self.delivered_at = read_at if early else delivered_at


NO_RECEIPT: Final = Receipt(None, None)


def message_of(
    columns: list[Any], conversation_id: str, senders: dict[str, Sender], receipt: Receipt, signer: UploadSigner | None
) -> Message:
    """Return the message of `columns`: seq, id, sender, type, content, media and created_at; then reply_to, metadata, edited_at,
    deleted_at, quoted and reactions, which are None for most messages.
    """
    seq, message_id, sender_id, kind, content, media, created_at = columns[:7]
    shown_sender = _shown_sender(sender_id)
    known = (
        message_id,
        conversation_id,
        seq,
        shown_sender,
        kind,
        content,
        media_of(media, signer),
        receipt.read_at is not None,
        receipt.read_at,
        receipt.delivered_at,
        instant(created_at),
        msgspec.UNSET if shown_sender is None else senders.get(sender_id) or sender_of(sender_id, None, None, None),
    )
    rare = columns[7:]
    return Message(*known) if rare == _NOTHING_RARE else Message(*known, *_rarities(*rare))


def media_of(text: str | None, signer: UploadSigner | None) -> msgspec.Raw:
    """Return the attachments of a stored JSON text, with newly signed URLs for uploads."""
    if text is None:
        return NO_MEDIA
    return msgspec.Raw((text if signer is None else signer.sign_media(text)).encode())


def raw_of(text: str | None) -> msgspec.Raw | msgspec.UnsetType:
    """Return a stored JSON text unchanged, or UNSET."""
    return msgspec.UNSET if text is None else msgspec.Raw(text.encode())


def _rarities(
    reply_to: int | None,
    metadata: str | None,
    edited_at: Any,
    deleted_at: Any,
    quoted: str | None,
    reactions: str | None,
) -> tuple[Any, ...]:
    """Return the fields of a message after its sender."""
    return (
        msgspec.UNSET if reply_to is None else _reply(reply_to, quoted),
        raw_of(metadata),
        msgspec.UNSET if edited_at is None else instant(edited_at),
        msgspec.UNSET if deleted_at is None else instant(deleted_at),
        raw_of(reactions),
    )


def _reply(seq: int, quoted: str | None) -> ReplyTo:
    if quoted is None:
        # The viewer has cleared the quoted message.
        return ReplyTo(seq)
    found = _quoted_decoder.decode(quoted)
    if found.deleted_ms is not None:
        return ReplyTo(seq, deleted_at=instant_of_ms(found.deleted_ms))
    return ReplyTo(seq, _shown_sender(found.sender_id), found.type, found.content)


def _shown_sender(user_id: str) -> str | None:
    """Return the sender's id as clients see it: None for the system."""
    return None if user_id == SYSTEM_USER else user_id
