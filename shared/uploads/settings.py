"""Settings of all services that return URLs of uploads."""

from typing import Final

from pydantic import Field, SecretStr, field_validator

from shared.settings import MIN_SECRET_BYTES, ServiceSettings
from shared.uploads.signing import UploadSigner

MAX_KEYS: Final = 5


class UploadSettings(ServiceSettings):
    """The public address of uploads, and the keys that sign their URLs."""

    public_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="Clients reach `/chat` below this origin (and path, if any). The URLs of uploads begin with it.",
    )
    upload_signing_keys: SecretStr | None = Field(
        None,
        description="Signs the URLs of uploads with these keys, of at least 32 bytes each, separated by commas. The first "
        "key signs, and all are accepted. To change the key, roll out three times: the new key last, the new key first, "
        "and 8 days later without the old key. Unset: there are no uploads.",
    )

    @field_validator("upload_signing_keys", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("upload_signing_keys")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            keys = split_keys(value)
            if not 1 <= len(keys) <= MAX_KEYS or any(len(key) < MIN_SECRET_BYTES for key in keys):
                raise ValueError(f"needs 1 to {MAX_KEYS} keys of at least {MIN_SECRET_BYTES} bytes each")
        return value

    @property
    def uploads_offered(self) -> bool:
        """Return whether this deployment has uploads."""
        return self.upload_signing_keys is not None

    def signer(self) -> UploadSigner | None:
        """Return the signer of upload URLs; None when uploads aren't configured."""
        if self.upload_signing_keys is None:
            return None
        return UploadSigner(self.public_url, split_keys(self.upload_signing_keys))


def split_keys(value: SecretStr) -> list[bytes]:
    """Return the keys of a list with commas."""
    return [key.strip().encode() for key in value.get_secret_value().split(",") if key.strip()]
