"""Names and avatars that the platform gives its users: the rules of `PATCH /chat/users/me`."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.admin.schemas import UserBody
from services.messaging.rest.schemas import ProfileChange

RIGHT = {"username": "alice", "displayName": "Alice", "avatar": "https://cdn.example/a.png"}
BAD_NAMES = ["", " ", "\u200b", "a\u202eb", "A\x07B", "x\u200by", "tab\t", "\u2066x", "\ufeffx", "\u3164", "x" * 256]
BAD_AVATARS = [
    "http://cdn.example/a.png",
    "https://127.0.0.1/a.png",
    "https://metadata.internal/",
    "https://u@cdn.example/",
]


def faults(body: type[UserBody] | type[ProfileChange], given: dict[str, Any]) -> list[str]:
    """Return the fields that are refused."""
    try:
        body.model_validate(given)
    except ValidationError as error:
        return [str(fault["loc"][0]) for fault in error.errors()]
    return []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("username", name) for name in BAD_NAMES),
        *(("displayName", name) for name in BAD_NAMES),
        *(("avatar", url) for url in BAD_AVATARS),
    ],
)
def test_what_a_profile_must_not_have_is_refused(field: str, value: str) -> None:
    assert faults(UserBody, {**RIGHT, field: value}) == [field]
    if field != "username":
        assert faults(ProfileChange, {field: value}) == [field]


@pytest.mark.parametrize("name", ["สมชาย", "می‌خواهم", " lead", "👨‍👩‍👧"])
def test_every_script_may_be_a_name(name: str) -> None:
    assert faults(UserBody, {"username": name, "displayName": name}) == []
    assert faults(ProfileChange, {"displayName": name}) == []
