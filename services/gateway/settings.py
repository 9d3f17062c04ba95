"""Settings of the gateway."""

from typing import Final, Self

from pydantic import Field, field_validator, model_validator

from shared.settings import CommaList, ServiceSettings, split_commas

RENEWALS_PER_LEASE: Final = 3
"""A lease outlives two lost renewals: one renewed just before its end flaps."""
MAX_RENEWAL_SECONDS: Final = 20.0


class GatewaySettings(ServiceSettings):
    """What one gateway is told."""

    query_token: bool = Field(True, description="Accept the token in `?token=`.")
    media_allowed_hosts: CommaList = Field(
        default_factory=list,
        description="Beside any https URL, media may lie on these hosts by http. An entry is a host or a whole origin.",
    )
    messages_per_minute: int = Field(30, ge=0, description="`message.send` a minute for each user; 0 = no limit.")
    events_per_second: float = Field(
        20, ge=0, description="Other events a second for each connection, three times that at once; 0 = no limit."
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
        0.007, ge=0, le=0.1, description="Longest wait for a command batch to fill; nothing is waited for at rest."
    )

    _split = field_validator("allowed_origins", "media_allowed_hosts", mode="before")(split_commas)

    @model_validator(mode="after")
    def _pong_after_ping(self) -> Self:
        if self.pong_seconds <= self.ping_seconds:
            raise ValueError("CHAT_PONG_SECONDS must be more than CHAT_PING_SECONDS")
        return self

    @property
    def renewal_seconds(self) -> float:
        """How often leases are renewed."""
        return min(MAX_RENEWAL_SECONDS, self.lease_seconds / RENEWALS_PER_LEASE)
