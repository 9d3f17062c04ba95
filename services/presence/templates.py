"""The JSON of presence events, with `%s` where `lua/publish.lua` puts what it reads.

Made from the declared structs, so that the script holds no name of the protocol.
"""

from typing import Final

import msgspec

from services.presence.rules import RANK, Kind
from shared.protocol import server
from shared.protocol.codec import json_encoder
from shared.protocol.payloads import Status, StatusBulkPayload, UserStatus

_PLACE: Final = "%s"


def _status_text(status: Status) -> str:
    shown = UserStatus(_PLACE, status != "offline", status, _PLACE)
    # The time may be null, so the script writes its quotation marks.
    return _text(shown).replace(f'"lastSeen":"{_PLACE}"', f'"lastSeen":{_PLACE}')


def _text(value: msgspec.Struct) -> str:
    return json_encoder.encode(value).decode()


def _make() -> tuple[dict[str, str], dict[str, str], str]:
    sample = UserStatus("", False, "offline", None)
    events: dict[Kind, msgspec.Struct] = {
        "online": server.UserOnline(sample),
        "offline": server.UserOffline(sample),
        "status": server.UserStatusChanged(sample),
    }
    bulk = server.StatusBulk(StatusBulkPayload([sample]))
    return (
        {status: _status_text(status) for status in RANK},
        {kind: _text(event).replace(_text(sample), _PLACE) for kind, event in events.items()},
        _text(bulk).replace(_text(sample), _PLACE),
    )


TEMPLATES: Final = _make()
"""status → a user's status (places: user id, last seen); kind → event (place: status); `status.bulk` (place: statuses)."""
