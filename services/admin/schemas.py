"""What the server API takes and gives. The names are the contract's."""

# ruff: noqa: N815 - camel case is the contract's

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field

from shared.directory import Profile
from shared.protocol import limits

NO_NUL = r"^[^\x00]*$"
VISIBLE = r"^[^\x00]*[^\x00\s][^\x00]*$"

UserId = Annotated[
    str,
    Field(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
    AfterValidator(str.lower),
]


class UserBody(BaseModel):
    """A user as the platform has it."""

    username: str = Field(min_length=1, max_length=limits.MAX_USERNAME_CHARACTERS, pattern=VISIBLE)
    displayName: str | None = Field(None, max_length=limits.MAX_DISPLAY_NAME_CHARACTERS, pattern=VISIBLE)
    avatar: str | None = Field(None, max_length=limits.MAX_URL_CHARACTERS, pattern=r"^https://[^\x00\s]+$")


class UserProfile(BaseModel):
    """A user as others see it."""

    id: str
    username: str
    displayName: str
    avatar: str | None

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """From the directory."""
        return cls(
            id=profile.user_id, username=profile.username, displayName=profile.display_name, avatar=profile.avatar
        )


class FollowBody(BaseModel):
    """An edge of the platform's graph: it is to be (`follows` true), or not to be."""

    follower: UserId
    followee: UserId
    follows: bool


class FollowsResult(BaseModel):
    """How many changes were applied: all."""

    applied: int
