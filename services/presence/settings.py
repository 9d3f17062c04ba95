"""Settings of presence."""

from pydantic import Field

from shared.settings import ServiceSettings


class PresenceSettings(ServiceSettings):
    """The settings of presence."""

    lease_seconds: float = Field(60, gt=0, description="How long a connection counts as online without renewal.")
    offline_grace_seconds: float = Field(
        5, ge=0, description="How long a user whose last connection was lost, not closed, still counts as online."
    )
    sweep_seconds: float = Field(0.5, gt=0, le=5, description="How often presence looks for ended leases.")
    announce_retry_seconds: float = Field(
        3, gt=0, description="A change that a replica didn't announce in this time is announced by another one."
    )
    max_friends: int = Field(
        5_000, gt=0, le=100_000, description="Friends of one user who see its status, and whose statuses it sees."
    )
    friends_cache_seconds: int = Field(3_600, gt=0, description="How long a user's friends are kept in Redis.")
