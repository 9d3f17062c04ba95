"""The lines of an import: one JSON object each, checked by the same rules as in the rest of the API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec

from shared.media_hosts import MediaHosts
from shared.protocol import limits
from shared.protocol.avatars import avatar_fault
from shared.protocol.client import Media, MessageSendPayload
from shared.protocol.codec import is_uuid, json_encoder
from shared.protocol.payloads import SYSTEM_MESSAGE
from shared.protocol.relay import SYSTEM_USER
from shared.protocol.requests import ImportedMessage
from shared.protocol.stored_event import size_fault
from shared.protocol.text import name_fault

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS)]
MOST_AHEAD: Final = timedelta(minutes=5)
_ANY_CONVERSATION: Final = "00000000-0000-0000-0000-000000000000"


def _uuid(text: str, field: str) -> str:
    if not is_uuid(text.lower()):
        raise ValueError(f"{field} must be a UUID with hyphens")
    return text.lower()


def _refuse(field: str, fault: str | None) -> None:
    if fault is not None:
        raise ValueError(f"{field}: {fault}")


class UserLine(msgspec.Struct, tag="user", tag_field="kind", rename="camel"):
    """A user."""

    id: str
    username: Text
    display_name: Annotated[str, msgspec.Meta(max_length=limits.MAX_DISPLAY_NAME_CHARACTERS)] | None = None
    avatar: Annotated[str, msgspec.Meta(max_length=limits.MAX_URL_CHARACTERS)] | None = None

    def __post_init__(self) -> None:
        self.id = _uuid(self.id, "id")
        _refuse("username", name_fault(self.username))
        if self.display_name is not None:
            _refuse("displayName", name_fault(self.display_name))
        if self.avatar is not None:
            _refuse("avatar", avatar_fault(self.avatar))


class FollowLine(msgspec.Struct, tag="follow", tag_field="kind", rename="camel"):
    """A follow."""

    follower: str
    followee: str

    def __post_init__(self) -> None:
        self.follower, self.followee = _uuid(self.follower, "follower"), _uuid(self.followee, "followee")
        if self.follower == self.followee:
            raise ValueError("follower and followee must be different users")


class ConversationLine(msgspec.Struct, tag="conversation", tag_field="kind", rename="camel"):
    """A conversation of two users."""

    user_ids: tuple[str, str]
    created_at: datetime

    def __post_init__(self) -> None:
        self.user_ids = _pair(self.user_ids)
        _unix_ms(self.created_at)

    @property
    def created_at_ms(self) -> int:
        """Return when it was created, Unix ms."""
        return _unix_ms(self.created_at)


class MessageLine(msgspec.Struct, tag="message", tag_field="kind", rename="camel"):
    """A message of the conversation of two users."""

    user_ids: tuple[str, str]
    sender_id: str | None
    type: str
    created_at: datetime
    temp_id: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_TEMP_ID_CHARACTERS)]
    content: str | None = None
    media: list[Media] | None = None
    metadata: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.user_ids = _pair(self.user_ids)
        if (self.sender_id is None) != (self.type == SYSTEM_MESSAGE):
            raise ValueError(f"senderId must be null exactly when type is {SYSTEM_MESSAGE}")
        if self.sender_id is not None:
            self.sender_id = _uuid(self.sender_id, "senderId")
            if self.sender_id not in self.user_ids:
                raise ValueError("senderId must be one of userIds")

    def message(self, media_hosts: MediaHosts) -> ImportedMessage:
        """Return the message for messaging. Raises msgspec.ValidationError or ValueError with a text that says what is wrong."""
        kind = "text" if self.type == SYSTEM_MESSAGE else self.type
        given = {"conversationId": _ANY_CONVERSATION, "type": kind, "content": self.content, "tempId": self.temp_id}
        payload = msgspec.convert({**given, "metadata": self.metadata}, MessageSendPayload) if not self.media else None
        if payload is None:
            media_given = {**given, "metadata": self.metadata, "media": msgspec.to_builtins(self.media)}
            payload = msgspec.convert(media_given, MessageSendPayload)
        field = media_hosts.fault(payload.media or ())
        if field is not None:
            raise ValueError(f"This URL is not allowed - at `$.{field}`")
        media = json_encoder.encode(payload.media) if payload.media else None
        metadata = None if payload.metadata is None else json_encoder.encode(payload.metadata)
        fault = size_fault(payload.content, media, metadata)
        if fault is not None:
            raise ValueError(fault)
        return ImportedMessage(
            self.user_ids,
            self.sender_id or SYSTEM_USER,
            self.type,
            payload.content,
            media.decode() if media else None,
            metadata.decode() if metadata else None,
            _unix_ms(self.created_at),
            self.temp_id,
        )


Line = UserLine | FollowLine | ConversationLine | MessageLine
line_decoder: Final = msgspec.json.Decoder(Line)


def _pair(user_ids: tuple[str, str]) -> tuple[str, str]:
    one, other = (_uuid(user_id, "userIds") for user_id in user_ids)
    if one == other:
        raise ValueError("userIds: a conversation needs two different users")
    return one, other


def _unix_ms(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("createdAt must have a time zone")
    if at > datetime.now(UTC) + MOST_AHEAD:
        raise ValueError("createdAt must not be in the future")
    return round(at.timestamp() * 1000)
