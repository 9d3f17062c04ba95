"""The texts that the publishing script fills in are events as they are declared."""

import msgspec
import pytest

from services.presence.announcer import TEMPLATES
from services.presence.rules import RANK
from shared.protocol import server
from shared.protocol.payloads import Status, UserStatus

USER = "0190a1b2-0000-7000-8000-00000000c001"
STATUSES, EVENTS, BULK = TEMPLATES


@pytest.mark.parametrize("status", RANK)
@pytest.mark.parametrize("seen", ["null", '"2024-01-01T11:00:00.000Z"'])
@pytest.mark.parametrize(
    ("kind", "event"),
    [("online", server.UserOnline), ("offline", server.UserOffline), ("status", server.UserStatusChanged)],
)
def test_each_text_is_its_event_with_each_status(
    status: Status, seen: str, kind: str, event: type[msgspec.Struct]
) -> None:
    text = EVENTS[kind] % (STATUSES[status] % (USER, seen))
    decoded = msgspec.json.decode(text, type=event, strict=True)
    expected = UserStatus(USER, status != "offline", status, msgspec.json.decode(seen, type=str | None))
    assert decoded == event(expected)


def test_the_bulk_holds_the_statuses_it_is_given() -> None:
    text = BULK % ",".join(STATUSES[status] % (USER, "null") for status in RANK)
    decoded = msgspec.json.decode(text, type=server.StatusBulk)
    assert [user.status for user in decoded.payload.users] == list(RANK)
    assert msgspec.json.decode(BULK % "", type=server.StatusBulk).payload.users == []
