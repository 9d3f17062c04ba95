"""A user's profile."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A user as others see it. `username` is the user id when no token had a name. `avatar` is a URL or None."""

    user_id: str
    username: str
    display_name: str
    avatar: str | None
