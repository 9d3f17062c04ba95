"""Frames that clients send: one struct for each event type, decoded and validated in one pass.

Unknown fields are ignored; a wrong or missing one raises `msgspec.ValidationError` with its path.
"""

from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from shared.protocol import limits
from shared.protocol.codec import Uuid, is_uuid, json_encoder
from shared.protocol.emoji import is_emoji
from shared.protocol.text import is_blank

MessageType = Literal["text", "image", "video", "audio", "file", "custom"]
MediaType = Literal["image", "video", "audio", "file"]
Availability = Literal["online", "away", "busy"]

Seq = Annotated[int, msgspec.Meta(ge=1, le=limits.MAX_SAFE_INTEGER)]
TempId = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_TEMP_ID_CHARACTERS)]
Content = Annotated[str, msgspec.Meta(max_length=limits.MAX_CONTENT_CHARACTERS)]
Count = Annotated[int, msgspec.Meta(ge=0, le=limits.MAX_SAFE_INTEGER)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_URL_CHARACTERS)]
Username = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS)]


def refuse_nul(*texts: str | None) -> None:
    """Raise ValueError when a text holds U+0000, which PostgreSQL can't store (SQLSTATE 22021)."""
    for text in texts:
        if text and "\0" in text:
            raise ValueError("U+0000 is not allowed")


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raise ValueError when metadata is too big, too deep, or holds U+0000 in a key or a text."""
    level: list[Any] = [metadata]
    for _ in range(limits.MAX_METADATA_DEPTH):
        texts = [value for value in level if isinstance(value, str)]
        texts += [key for value in level if isinstance(value, dict) for key in value]
        refuse_nul(*texts)
        inner: list[Any] = []
        for value in level:
            inner += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not inner:
            break
        level = inner
    else:
        raise ValueError(f"metadata must not be nested deeper than {limits.MAX_METADATA_DEPTH} levels")
    size = len(json_encoder.encode(metadata))
    if size > limits.MAX_METADATA_BYTES:
        raise ValueError(f"metadata is {size} bytes as compact JSON; the limit is {limits.MAX_METADATA_BYTES}")


def require_uuid(text: str) -> None:
    """Raise ValueError unless `text` is a hyphenated UUID, in either case (RFC 9562, section 4)."""
    if not is_uuid(text) and not is_uuid(text.lower()):
        raise ValueError("conversationId must be a UUID with hyphens")


class Media(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """One attachment: an upload by its `uploadId`, of which the server knows the rest, or a `url` elsewhere with its `type`.

    Sizes in pixels and bytes. Beside `uploadId` everything else is ignored, so that a client may send back what it was given.

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
    """A message to store and deliver. Media, or content with a visible character, is required; of `custom`, metadata is.

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
        refuse_nul(self.temp_id)
        if self.media:
            uploads = [item.upload_id for item in self.media if item.upload_id is not None]
            if len(set(uploads)) < len(uploads):
                raise ValueError("an upload may be attached once")


class MessageReadPayload(msgspec.Struct, rename="camel", frozen=True):
    """Everything up to `seq` (default: all) was read."""

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
    """A new text, or caption, for a message of the sender's own."""

    conversation_id: Uuid
    seq: Seq
    content: Content
    temp_id: TempId | None = None

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)
        refuse_nul(self.content, self.temp_id)


class MessageDeletePayload(msgspec.Struct, rename="camel", frozen=True):
    """Names a message of the sender's own, to be deleted for everybody."""

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
    """Names a conversation."""

    conversation_id: Uuid

    def __post_init__(self) -> None:
        require_uuid(self.conversation_id)


class PresenceSetPayload(msgspec.Struct, rename="camel", frozen=True):
    """The status of this device."""

    status: Availability


class PingPayload(msgspec.Struct, rename="camel", frozen=True):
    """`timestamp` is echoed as it came: a number, or a text of at most 64 characters."""

    timestamp: float | int | Annotated[str, msgspec.Meta(max_length=64)] | None = None


class UserPayload(msgspec.Struct, rename="camel", frozen=True):
    """Names a user: by username or by id."""

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


class MessageSend(msgspec.Struct, tag="message.send", tag_field="type", frozen=True):
    """Send a message.

    Example: `{"type": "message.send", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "type": "text", "content": "Hello there!", "tempId": "temp-123"}}`
    """

    payload: MessageSendPayload


class MessageRead(msgspec.Struct, tag="message.read", tag_field="type", frozen=True):
    """Mark as read.

    Example: `{"type": "message.read", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7}}`
    """

    payload: MessageReadPayload


class MessageDelivered(msgspec.Struct, tag="message.delivered", tag_field="type", frozen=True):
    """Mark as delivered.

    Example: `{"type": "message.delivered", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7}}`
    """

    payload: MessageDeliveredPayload


class TypingStart(msgspec.Struct, tag="typing.start", tag_field="type", frozen=True):
    """The user types.

    Example: `{"type": "typing.start", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001"}}`
    """

    payload: ConversationPayload


class TypingStop(msgspec.Struct, tag="typing.stop", tag_field="type", frozen=True):
    """The user no longer types.

    Example: `{"type": "typing.stop", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001"}}`
    """

    payload: ConversationPayload


class PresenceSet(msgspec.Struct, tag="presence.set", tag_field="type", frozen=True):
    """Set this device's status.

    Example: `{"type": "presence.set", "payload": {"status": "away"}}`
    """

    payload: PresenceSetPayload


class Ping(msgspec.Struct, tag="ping", tag_field="type", frozen=True):
    """Ask for a `pong`, and renew the lease.

    Example: `{"type": "ping", "payload": {"timestamp": 1704067200}}`
    """

    payload: PingPayload = PingPayload()


class BlockAdd(msgspec.Struct, tag="block.add", tag_field="type", frozen=True):
    """Block a user.

    Example: `{"type": "block.add", "payload": {"username": "spammer123"}}`
    """

    payload: UserPayload


class BlockRemove(msgspec.Struct, tag="block.remove", tag_field="type", frozen=True):
    """Unblock a user.

    Example: `{"type": "block.remove", "payload": {"username": "spammer123"}}`
    """

    payload: UserPayload


class AuthRefresh(msgspec.Struct, tag="auth.refresh", tag_field="type", frozen=True):
    """Replace the connection's token.

    Example: `{"type": "auth.refresh", "payload": {"token": "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}}`
    """

    payload: AuthRefreshPayload


class MessageEdit(msgspec.Struct, tag="message.edit", tag_field="type", frozen=True):
    """Change the text of an own message.

    Example: `{"type": "message.edit", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "content": "Hello, everybody!", "tempId": "edit-1"}}`
    """

    payload: MessageEditPayload


class MessageDelete(msgspec.Struct, tag="message.delete", tag_field="type", frozen=True):
    """Delete an own message for everybody.

    Example: `{"type": "message.delete", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "tempId": "delete-1"}}`
    """

    payload: MessageDeletePayload


class ReactionAdd(msgspec.Struct, tag="reaction.add", tag_field="type", frozen=True):
    """React to a message.

    Example: `{"type": "reaction.add", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "emoji": "👍"}}`
    """

    payload: ReactionPayload


class ReactionRemove(msgspec.Struct, tag="reaction.remove", tag_field="type", frozen=True):
    """Take a reaction back.

    Example: `{"type": "reaction.remove", "payload": {"conversationId": "0190a1b2-0000-7000-8000-00000000c001",
    "seq": 7, "emoji": "👍"}}`
    """

    payload: ReactionPayload


class ClientState(msgspec.Struct, tag="client.state", tag_field="type", frozen=True):
    """Say whether the client's window is visible and in use: an inactive one doesn't hold back pushes.

    Example: `{"type": "client.state", "payload": {"active": false}}`
    """

    payload: ClientStatePayload


ClientFrame = (
    MessageSend
    | MessageRead
    | MessageDelivered
    | TypingStart
    | TypingStop
    | PresenceSet
    | Ping
    | BlockAdd
    | BlockRemove
    | AuthRefresh
    | MessageEdit
    | MessageDelete
    | ReactionAdd
    | ReactionRemove
    | ClientState
)
"""Any frame that a client may send."""

FRAMES: Final[dict[str, type[msgspec.Struct]]] = {
    str(frame.__struct_config__.tag): frame for frame in get_args(ClientFrame)
}
"""event type → its struct."""


class Envelope(msgspec.Struct, frozen=True):
    """Any object with a type: read when a frame was refused, to tell the client which request it was."""

    type: str
    payload: Any = None


frame_decoder: Final[msgspec.json.Decoder[ClientFrame]] = msgspec.json.Decoder(ClientFrame)
envelope_decoder: Final[msgspec.json.Decoder[Envelope]] = msgspec.json.Decoder(Envelope)
