"""Settings of admin."""

from pydantic import AnyUrl, Field

from shared.settings import ServiceSettings


class AdminSettings(ServiceSettings):
    """What admin reads from the environment."""

    admin_jwks_url: AnyUrl | None = Field(
        None, description="Key set of service tokens. Unset: the keys that users' tokens are checked with."
    )
