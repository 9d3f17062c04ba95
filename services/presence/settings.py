"""Settings of presence."""

from pydantic import Field

from shared.settings import ServiceSettings


class PresenceSettings(ServiceSettings):
    """The settings of presence."""

    lease_seconds: float = Field(
        60,
        gt=0,
        description="A connection whose lease isn't renewed for this many seconds counts as offline. Set the same value "
        "for gateway and presence.",
    )
    offline_grace_seconds: float = Field(
        5,
        ge=0,
        description="A user whose last connection was lost, not closed, counts as online for this many seconds more, "
        "because most clients reconnect.",
    )
    sweep_seconds: float = Field(0.5, gt=0, le=5, description="Presence looks for expired leases at this interval.")
    announce_retry_seconds: float = Field(
        3, gt=0, description="If a replica hasn't announced a change after this many seconds, another replica does."
    )
    max_friends: int = Field(
        5_000,
        gt=0,
        le=100_000,
        description="A user's status is shown to at most this many friends, and the user sees the statuses of as many.",
    )
    friends_cache_seconds: int = Field(
        3_600, gt=0, description="Redis caches a user's list of friends for this many seconds."
    )
