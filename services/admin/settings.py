"""Settings of admin."""

from pydantic import AnyUrl, Field

from shared.media_hosts import MediaHostSettings


class AdminSettings(MediaHostSettings):
    """The settings of admin."""

    admin_jwks_url: AnyUrl | None = Field(
        None, description="Key set of service tokens. Unset: the keys that users' tokens are checked with."
    )
