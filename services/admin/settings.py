"""Settings of admin."""

from pydantic import AnyUrl, Field

from shared.media_hosts import MediaHostSettings


class AdminSettings(MediaHostSettings):
    """The settings of admin."""

    admin_jwks_url: AnyUrl | None = Field(
        None,
        description="Verifies service tokens with the keys of this URL. Unset: with the same keys as users' tokens.",
    )
