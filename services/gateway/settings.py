"""Settings of the gateway."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from services.gateway.user_budgets import Budget
from shared.media_hosts import MediaHostSettings
from shared.protocol import limits
from shared.settings import Limit

RENEWALS_PER_LEASE: Final = 3
"""A lease survives two lost renewals. With fewer, a late renewal would show the user offline for a moment."""
MAX_RENEWAL_SECONDS: Final = 20.0


MAX_PER_MINUTE: Final = 100_000
"""Budgets are counted by the millisecond, so a larger number has no meaning. 0 means no limit."""

PerMinute = Annotated[int, Field(ge=0, le=MAX_PER_MINUTE)]


class GatewaySettings(MediaHostSettings):
    """The settings of one gateway."""

    query_token: bool = Field(True, description="Accept the token in `?token=`.")
    messages_per_minute: PerMinute = Field(30, description="`message.send` a minute for each user; 0 = no limit.")
    changes_per_minute: PerMinute = Field(
        60,
        description="`message.edit`, `message.delete` and `reaction.*` a minute for each user, together; 0 = no limit.",
    )
    blocks_per_minute: PerMinute = Field(
        30, description="`block.add` and `block.remove` a minute for each user, together; 0 = no limit."
    )
    statuses_per_minute: PerMinute = Field(60, description="`presence.set` a minute for each user; 0 = no limit.")
    handshakes_per_minute: PerMinute = Field(
        60, description="Handshakes a minute for each user, plain `GET`s included; more get 429. 0 = no limit."
    )
    events_per_second: float = Field(
        20, ge=0, description="Other events a second for each connection, three times that at once; 0 = no limit."
    )
    connections_per_user: Limit = Field(
        limits.MAX_CONNECTIONS_PER_USER, description="Beyond it a user's oldest connection is closed; 0 = no limit."
    )
    max_frame_bytes: Limit = Field(
        limits.MAX_FRAME_BYTES, description="A larger frame ends its connection with 1009; 0 = no limit."
    )
    ping_seconds: float = Field(54, gt=0, description="Period of WebSocket pings.")
    pong_seconds: float = Field(60, gt=0, description="A connection is closed this long after its last pong.")
    lease_seconds: float = Field(60, gt=0, description="How long a connection counts as online without renewal.")
    push_delay_seconds: float = Field(
        5, ge=0, description="A connection without a sign of life for so long after a message gets a push as well."
    )
    drain_seconds: float = Field(20, ge=0, description="After SIGTERM, connections are closed over this time.")
    max_connections: int = Field(20_000, ge=1, description="More connections than these are refused with 503.")
    handshakes_per_second: float = Field(
        500, ge=0, description="Handshakes above this rate are refused with 503, clients without cursor first; 0 = off."
    )
    uplink_pause_seconds: float = Field(
        0.007, ge=0, le=0.1, description="Longest wait for a command batch to fill. Without load there is no wait."
    )

    @model_validator(mode="after")
    def _pong_after_ping(self) -> Self:
        if self.pong_seconds <= self.ping_seconds:
            raise ValueError("CHAT_PONG_SECONDS must be more than CHAT_PING_SECONDS")
        return self

    @property
    def budgets(self) -> dict[Budget, int]:
        """Return budget → how many a minute for each user; 0 = no limit."""
        return {
            Budget.MESSAGES: self.messages_per_minute,
            Budget.CHANGES: self.changes_per_minute,
            Budget.BLOCKS: self.blocks_per_minute,
            Budget.STATUSES: self.statuses_per_minute,
            Budget.HANDSHAKES: self.handshakes_per_minute,
        }

    @property
    def renewal_seconds(self) -> float:
        """How often leases are renewed."""
        return min(MAX_RENEWAL_SECONDS, self.lease_seconds / RENEWALS_PER_LEASE)
