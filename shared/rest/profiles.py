"""The body of a user's profile."""

# ruff: noqa: N815 - camel case is the contract's

from typing import Self

from pydantic import BaseModel

from shared.directory import Profile
from shared.rest.formats import IdText


class ProfileBody(BaseModel):
    """A user as others see it."""

    id: IdText
    username: str
    displayName: str
    avatar: str | None

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Return the body of a profile."""
        return cls(
            id=profile.user_id, username=profile.username, displayName=profile.display_name, avatar=profile.avatar
        )
