"""Payloads of the frames that clients send."""

from typing import Annotated, Any

import msgspec

from shared.protocol import limits
from shared.protocol.client.fields import (
    Availability,
    Content,
    Count,
    MediaType,
    MessageType,
    Seq,
    TempId,
    Url,
    Username,
    check_metadata,
    refuse_nul,
    require_uuid,
)
from shared.protocol.codec import Uuid, is_uuid
from shared.protocol.emoji import is_emoji
from shared.protocol.text import is_blank


class Media(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """One attachment: an upload by its `uploadId`, or an external `url` with its `type`.

    Sizes are in pixels and bytes. With `uploadId` all other fields are ignored, so a client may send back what it received.

    Example: `{"url": "https://cdn.example/1.jpg", "thumbnail": "https://cdn.example/1s.jpg", "type": "image",
    "width": 1920, "height": 1080, "size": 1024000}`
    """

    url: Url | None = None
    type: MediaType | None = None
    thumbnail: Url | None = None
    width: Count | None = None
    height: Count | None = None
    size: Count | None = None
    name: Annotated[str, msgspec.Meta(max_length=limits.MAX_MEDIA_NAME_CHARACTERS)] | None = None
    upload_id: Uuid | None = None

    def __post_init__(self) -> None:
        if self.upload_id is not None:
            self._keep_upload_id(self.upload_id.lower())
        elif self.url is None or self.type is None:
            raise ValueError("an attachment needs an uploadId, or a url and a type")
        else:
            refuse_nul(self.url, self.thumbnail, self.name)

    def _keep_upload_id(self, upload_id: str) -> None:
        if not is_uuid(upload_id):
            raise ValueError("uploadId must be a UUID with hyphens")
        for field in self.__struct_fields__:
            msgspec.structs.force_setattr(self, field, None)
        msgspec.structs.force_setattr(self, "upload_id", upload_id)


class MessageSendPayload(msgspec.Struct, rename="camel", frozen=True):
    """A message to store and deliver. It needs media, or content with a visible character; a `custom` message needs metadata.

    `reply_to`: the seq of the message that it quotes. `metadata`: stored and delivered, never read by the server.
    """

    conversation_id: Uuid
    type: MessageType
    content: Content | None = None
    media: Annotated[list[Media], msgspec.Meta(max_length=limits.MAX_MEDIA)] | None = None
    temp_id: TempId | None = None
    reply_to: Seq | None = None
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)
        content = self.content
        if self.metadata is not None:
            check_metadata(self.metadata)
        if self.type == "custom":
            if self.metadata is None:
                raise ValueError("metadata is required for a custom message")
            refuse_nul(content)
        elif content:
            if "\0" in content:
                raise ValueError("U+0000 is not allowed")
            if not self.media and is_blank(content):
                raise ValueError("content or media is required")
        elif not self.media:
            raise ValueError("content or media is required")
        if self.temp_id is not None:
            refuse_nul(self.temp_id)
        if self.media:
            uploads = [item.upload_id for item in self.media if item.upload_id is not None]
            if len(set(uploads)) < len(uploads):
                raise ValueError("an upload may be attached once")


class MessageReadPayload(msgspec.Struct, rename="camel", frozen=True):
    """The user has read everything up to `seq` (default: everything)."""

    conversation_id: Uuid
    seq: Seq | None = None

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)


class MessageDeliveredPayload(msgspec.Struct, rename="camel", frozen=True):
    """This device has everything up to `seq`."""

    conversation_id: Uuid
    seq: Seq

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)


class MessageEditPayload(msgspec.Struct, rename="camel", frozen=True):
    """A new text, or caption, for one of the sender's messages."""

    conversation_id: Uuid
    seq: Seq
    content: Content
    temp_id: TempId | None = None

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)
        refuse_nul(self.content, self.temp_id)


class MessageDeletePayload(msgspec.Struct, rename="camel", frozen=True):
    """One of the sender's messages, to delete for everybody."""

    conversation_id: Uuid
    seq: Seq
    temp_id: TempId | None = None

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)
        refuse_nul(self.temp_id)


class ReactionPayload(msgspec.Struct, rename="camel", frozen=True):
    """A message, and one emoji (UTS #51, ED-17) as one grapheme cluster."""

    conversation_id: Uuid
    seq: Seq
    emoji: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_EMOJI_BYTES)]
    temp_id: TempId | None = None

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)
        refuse_nul(self.temp_id)
        if not is_emoji(self.emoji):
            raise ValueError(f"emoji must be one emoji of at most {limits.MAX_EMOJI_BYTES} bytes")


class ConversationPayload(msgspec.Struct, rename="camel", frozen=True):
    """A conversation."""

    conversation_id: Uuid

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)


class PresenceSetPayload(msgspec.Struct, rename="camel", frozen=True):
    """The status of this device."""

    status: Availability


class PingPayload(msgspec.Struct, rename="camel", frozen=True):
    """`timestamp` is echoed unchanged: a number, or a text of at most 64 characters."""

    timestamp: float | int | Annotated[str, msgspec.Meta(max_length=64)] | None = None


class UserPayload(msgspec.Struct, rename="camel", frozen=True):
    """A user, by username or by id."""

    username: Username | None = None
    user_id: Uuid | None = None

    def __post_init__(self) -> None:
        refuse_nul(self.username)
        if (self.username is None) == (self.user_id is None):
            raise ValueError("give username or userId, and not both")
        if self.user_id is not None and not is_uuid(self.user_id.lower()):
            raise ValueError("userId must be a UUID with hyphens")


class AuthRefreshPayload(msgspec.Struct, rename="camel", frozen=True):
    """A newer token of the same subject."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_TOKEN_CHARACTERS)]


class ClientStatePayload(msgspec.Struct, rename="camel", frozen=True):
    """`active`: the client's window is visible and in use."""

    active: bool
