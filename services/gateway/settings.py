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

    query_token: bool = Field(
        True,
        description="Whether a token is accepted in `?token=`. Without it, tokens can't appear in the access logs of "
        "proxies.",
    )
    messages_per_minute: PerMinute = Field(
        30, description="Each user may send this many `message.send` per minute; 0 means no limit."
    )
    changes_per_minute: PerMinute = Field(
        60,
        description="Each user may send this many `message.edit`, `message.delete` and `reaction.*` per minute, together; "
        "0 means no limit.",
    )
    blocks_per_minute: PerMinute = Field(
        30,
        description="Each user may send this many `block.add` and `block.remove` per minute, together; 0 means no limit.",
    )
    statuses_per_minute: PerMinute = Field(
        60, description="Each user may send this many `presence.set` per minute; 0 means no limit."
    )
    handshakes_per_minute: PerMinute = Field(
        60,
        description="Each user may make this many handshakes per minute, and plain `GET`s count too; more are answered "
        "with 429. 0 means no limit.",
    )
    events_per_second: float = Field(
        20,
        ge=0,
        description="Each connection may send this many other events per second, and three times as many at once; 0 means "
        "no limit.",
    )
    connections_per_user: Limit = Field(
        limits.MAX_CONNECTIONS_PER_USER,
        description="When a user has more connections than this, the oldest one is closed; 0 means no limit.",
    )
    max_frame_bytes: Limit = Field(
        limits.MAX_FRAME_BYTES, description="A frame of more bytes closes its connection with 1009; 0 means no limit."
    )
    ping_seconds: float = Field(
        54,
        gt=0,
        description="The gateway sends a WebSocket ping to each connection at this interval. The default is below the 60 "
        "seconds after which many proxies close an idle connection.",
    )
    pong_seconds: float = Field(
        60,
        gt=0,
        description="A connection is closed this many seconds after its last pong. It must be more than "
        "`CHAT_PING_SECONDS`.",
    )
    lease_seconds: float = Field(
        60,
        gt=0,
        description="A connection whose lease isn't renewed for this many seconds counts as offline. Set the same value "
        "for gateway and presence.",
    )
    push_delay_seconds: float = Field(
        5,
        ge=0,
        description="When a client shows no sign of life for this many seconds after a message was written to it, the "
        "message is also reported for a push.",
    )
    drain_seconds: float = Field(
        20,
        ge=0,
        description="After SIGTERM, the gateway closes its connections over this many seconds, so that not all clients "
        "reconnect at once.",
    )
    max_connections: int = Field(
        20_000,
        ge=1,
        description="Further connections are refused with 503. The default is lowered if the process may not open enough "
        "files.",
    )
    handshakes_per_second: float = Field(
        500,
        ge=0,
        description="Handshakes beyond this rate are refused with 503, those of clients without a cursor first; 0 means "
        "no limit.",
    )
    uplink_pause_seconds: float = Field(
        0.007,
        ge=0,
        le=0.1,
        description="Under load, a batch of commands waits at most this many seconds for more commands. Without load "
        "there is no wait.",
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
