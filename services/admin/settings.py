"""Settings of admin."""

from pydantic import AnyUrl, Field

from shared.media_hosts import MediaHostSettings


class AdminSettings(MediaHostSettings):
    """What admin reads from the environment."""

    admin_jwks_url: AnyUrl | None = Field(
        None, description="Key set of service tokens. Unset: the keys that users' tokens are checked with."
    )
