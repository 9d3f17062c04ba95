"""Messages to a gateway over Redis pub/sub."""

from typing import Final

import msgspec

from shared.protocol import inbox
from shared.protocol.relay.base import Relayed


class DurableEvent(Relayed):
    """A durable event for every connection of a user.

    `text` is the JSON that messaging wrote. The reader appends what only Redis knows: the user's unread `total`, when the event
    ends with it, and the cursor.

    `offset` is its position in the user's inbox: one more than the event before. `notifiable`: it is a `message.new`. `tag`: the
    tag of the script call that added it.
    """

    user_id: str
    offset: int
    notifiable: bool
    text: str
    tag: str
    total: int | None = None

    @property
    def json(self) -> str:
        """Return the complete event."""
        return inbox.event_json(self.text, self.total, f"{self.offset}-{self.tag}")


class TransientEvent(Relayed):
    """An event for every connection of some users, which may be shed: typing and presence.

    `about`: the user whose presence it reports, '' for typing. `since_ms`: Unix ms; connections that began later don't get it.
    """

    user_ids: list[str]
    text: str
    about: str = ""
    since_ms: int = 0


class ConnectionEvent(Relayed):
    """An event for one connection: errors, `status.bulk`, `block.added` …

    `bulk_parts`: the number of parts of a whole `status.bulk`; else 0.
    """

    connection_id: str
    text: str
    bulk_parts: int = 0


class CloseOrder(Relayed):
    """An order to close connections with a close code.

    `connection_id` None means every connection of the user; with `issued_before` (Unix s) only those whose token is older.
    """

    close_code: int
    user_id: str
    connection_id: str | None = None
    issued_before: float | None = None


class Downlink(Relayed):
    """All that one gateway gets from one cycle.

    `trace`: the traceparent of its sender, or ''. `nonce`: set in the gateway's own messages, which test the link.
    """

    durable_events: list[DurableEvent] = []
    transient_events: list[TransientEvent] = []
    connection_events: list[ConnectionEvent] = []
    completed: list[int] = []
    trace: str = ""
    close_orders: list[CloseOrder] = []
    nonce: str | None = None


downlink_decoder: Final = msgspec.msgpack.Decoder(Downlink)
