"""Settings of the services that sign posts."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings, split_commas
from shared.webhooks.signatures import key_of


def _split_secrets(value: Any) -> Any:
    return split_commas(value.get_secret_value() if isinstance(value, SecretStr) else value)


class SigningSettings(ServiceSettings):
    """The settings of services that sign posts."""

    webhook_secret: Annotated[list[SecretStr], NoDecode, BeforeValidator(_split_secrets)] = Field(
        default_factory=list,
        description="Signs posts with these secrets (Standard Webhooks), each `whsec_` and base64, separated by commas. "
        "To change the secret, set both for a while: each post then has a signature of each.",
    )

    @field_validator("webhook_secret")
    @classmethod
    def _usable(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            key_of(secret.get_secret_value())
        return secrets

    @property
    def signing_secrets(self) -> list[str]:
        """Return the secrets as text."""
        return [secret.get_secret_value() for secret in self.webhook_secret]
