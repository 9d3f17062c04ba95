"""Bodies of presence's REST requests and responses. The names are those of the protocol."""

# ruff: noqa: N815 - camel case is the contract's

from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, Field

from shared.directory import Profile
from shared.protocol import limits
from shared.protocol.codec import instant
from shared.protocol.payloads import Status, UserStatus
from shared.rest.formats import IdText, InstantText


class Follow(BaseModel):
    """Whether the caller follows a user, and since when. `isFriend`: both follow each other, with or without a block."""

    userId: IdText
    username: str
    following: bool
    isFriend: bool
    followedAt: InstantText | None

    @classmethod
    def of(cls, profile: Profile, since: datetime | None, *, friend: bool) -> Self:
        """Return the body of a follow since a time, or of no follow."""
        return cls(
            userId=profile.user_id,
            username=profile.username,
            following=since is not None,
            isFriend=friend,
            followedAt=None if since is None else instant(since.astimezone(UTC)),
        )


class PresenceStatus(BaseModel):
    """Whether a friend is online, with which status, and the last sign of life (RFC 3339), null when there was none."""

    userId: IdText
    isOnline: bool
    status: Status
    lastSeen: InstantText | None

    @classmethod
    def of(cls, status: UserStatus) -> Self:
        """Return the body of a status."""
        return cls(userId=status.user_id, isOnline=status.is_online, status=status.status, lastSeen=status.last_seen)


class Friend(PresenceStatus):
    """A friend with profile and status."""

    username: str
    displayName: str
    avatar: str | None

    @classmethod
    def with_profile(cls, profile: Profile, status: UserStatus) -> Self:
        """Return the body of a user's profile and status."""
        return cls(
            **PresenceStatus.of(status).model_dump(),
            username=profile.username,
            displayName=profile.display_name,
            avatar=profile.avatar,
        )


class PresenceQuery(BaseModel):
    """Whose presence to return."""

    userId: list[str] = Field(min_length=1, max_length=limits.MAX_PRESENCE_QUERY)
