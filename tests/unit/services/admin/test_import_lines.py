"""The lines of an import: what they become, and what is wrong with those that fail."""

import json
import uuid
from typing import Any

import msgspec
import pytest

from services.admin.import_lines import ConversationLine, FollowLine, MessageLine, UserLine, line_decoder
from shared.media_hosts import MediaHosts
from shared.protocol.relay import SYSTEM_USER

HOSTS = MediaHosts([])
ONE, OTHER, THIRD = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
MESSAGE = {
    "kind": "message",
    "userIds": [ONE, OTHER],
    "senderId": ONE,
    "type": "text",
    "content": "hello",
    "createdAt": "2020-01-01T10:00:00.000Z",
    "tempId": "t",
}
USER = {"kind": "user", "id": ONE, "username": "alice", "displayName": "Alice", "avatar": None}
FOLLOW = {"kind": "follow", "follower": ONE, "followee": OTHER}
CONVERSATION = {"kind": "conversation", "userIds": [ONE, OTHER], "createdAt": "2020-01-01T10:00:00Z"}


def decode(line: dict[str, Any]) -> UserLine | FollowLine | ConversationLine | MessageLine:
    decoded: UserLine | FollowLine | ConversationLine | MessageLine = line_decoder.decode(json.dumps(line).encode())
    return decoded


def message(**fields: Any) -> MessageLine:
    line = decode({**MESSAGE, **fields})
    assert isinstance(line, MessageLine)
    return line


def test_each_kind_has_the_fields_of_the_contract() -> None:
    assert decode(USER) == UserLine(ONE, "alice", "Alice", None)
    assert decode(FOLLOW) == FollowLine(ONE, OTHER)
    conversation = decode(CONVERSATION)
    assert isinstance(conversation, ConversationLine)
    assert (conversation.user_ids, conversation.created_at_ms) == ((ONE, OTHER), 1_577_872_800_000)


def test_a_message_keeps_its_own_time_and_key() -> None:
    taken = message().message(HOSTS)
    assert (taken.users, taken.sender_id, taken.content) == ((ONE, OTHER), ONE, "hello")
    assert (taken.created_at_ms, taken.temp_id) == (1_577_872_800_000, "t")


@pytest.mark.parametrize("at", ["2020-01-01T17:00:00+07:00", "2020-01-01T10:00:00Z"])
def test_times_of_any_zone_are_one_instant(at: str) -> None:
    assert message(createdAt=at).message(HOSTS).created_at_ms == 1_577_872_800_000


def test_ids_are_the_same_in_capitals() -> None:
    assert decode({**USER, "id": "0000000A-0000-0000-0000-00000000000A"}) == UserLine(
        "0000000a-0000-0000-0000-00000000000a", "alice", "Alice", None
    )


def test_media_and_metadata_are_kept_as_json() -> None:
    media = [{"url": "https://cdn.example/a.png", "type": "image"}]
    taken = message(type="image", content=None, media=media, metadata={"order": 17}).message(HOSTS)
    assert json.loads(taken.media or "")[0]["url"] == media[0]["url"]
    assert json.loads(taken.metadata or "") == {"order": 17}


def test_a_message_of_the_system_has_no_sender() -> None:
    assert message(senderId=None, type="system").message(HOSTS).sender_id == SYSTEM_USER


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"kind": "unheard-of"}, "kind"),
        ({**USER, "id": "alice"}, "id must be a UUID"),
        ({**USER, "username": ""}, "length >= 1"),
        ({**USER, "displayName": "a\0b"}, "displayName: remove the character U+0000"),
        ({**USER, "displayName": "\u200b"}, "displayName: remove the character U+200B"),
        ({**USER, "displayName": " \u3164"}, "displayName: a name needs a visible character"),
        ({**USER, "username": "a\u202eb"}, "username: remove the character U+202E"),
        ({**USER, "username": "tab\t"}, "username: remove the character U+0009"),
        ({**USER, "username": "x" * 256}, "length <= 255"),
        ({**USER, "avatar": "javascript:alert(1)"}, "avatar: an avatar is an https URL"),
        ({**FOLLOW, "followee": ONE}, "must be different users"),
        ({**FOLLOW, "followee": None}, "followee"),
        ({**CONVERSATION, "userIds": [ONE, ONE]}, "two different users"),
        ({**CONVERSATION, "userIds": [ONE]}, "userIds"),
        ({**CONVERSATION, "createdAt": "yesterday"}, "createdAt"),
        ({**CONVERSATION, "createdAt": "2020-01-01T10:00:00"}, "time zone"),
        ({**CONVERSATION, "createdAt": "2999-01-01T10:00:00Z"}, "in the future"),
        ({**MESSAGE, "senderId": THIRD}, "senderId must be one of userIds"),
        ({**MESSAGE, "senderId": None}, "senderId must be null exactly when"),
        ({**MESSAGE, "type": "system"}, "senderId must be null exactly when"),
        ({**MESSAGE, "tempId": ""}, "tempId"),
        ({**MESSAGE, "tempId": "t" * 65}, "tempId"),
        ({name: value for name, value in MESSAGE.items() if name != "tempId"}, "tempId"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        decode(line)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"content": " "}, "content"),
        ({"content": "x" * 4001}, "content"),
        ({"type": "unheard-of"}, "type"),
        ({"content": None}, "content"),
        ({"type": "custom", "content": None}, "metadata"),
        ({"media": [{"url": "ftp://cdn.example/a", "type": "image"}]}, "url"),
        ({"media": [{"url": "javascript:alert(1)", "type": "image"}]}, "media[0].url"),
        ({"metadata": {"much": "x" * 5000}}, "metadata"),
    ],
)
def test_messages_obey_the_rules_of_sends(fields: dict[str, Any], says: str) -> None:
    with pytest.raises((msgspec.ValidationError, ValueError)) as error:
        message(**fields).message(HOSTS)
    assert says in str(error.value)
