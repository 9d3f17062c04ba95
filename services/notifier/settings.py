"""Settings of the notifier."""

import re
from typing import Final, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.notifier.native.apns import ApnsKey, ApnsTokens
from services.notifier.native.fcm import FcmAccount
from services.notifier.webpush.allowlist import AllowList
from services.notifier.webpush.vapid import VapidKeys
from shared.settings import CommaList, ServiceSettings

PUSH_SERVICES: Final = (
    "fcm.googleapis.com",
    "jmt17.google.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "web.push.apple.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
"""The push services of current browsers: Chromium (two), Firefox, Safari, Edge."""


_ORIGIN: Final = r"^https?://[^\s/?#]+$"


class NotifierSettings(ServiceSettings):
    """The settings of the notifier."""

    vapid_private_key: SecretStr | None = Field(
        None,
        description="VAPID keys, with commas: base64url of the 32 bytes of each, as `chatctl vapid` prints it. New "
        "subscriptions get the first; the others go on serving older ones. Unset: no pushes.",
    )
    vapid_subject: str = Field(
        "mailto:postmaster@localhost",
        pattern=r"^(mailto:[^\s@]+@[^\s@]+|https://[^\s/]+.*)$",
        description="Contact for the operators of push services, `mailto:` or `https:` (RFC 8292, section 2.1).",
    )
    fcm_credentials: SecretStr | None = Field(
        None, description="JSON key of a Firebase service account. Unset: no pushes to apps by FCM."
    )
    fcm_url: str = Field("https://fcm.googleapis.com", pattern=_ORIGIN, description="Origin of FCM.")
    apns_key: SecretStr | None = Field(
        None, description="APNs signing key: the text of its `.p8` file. Unset: no pushes to apps by APNs."
    )
    apns_key_id: str = Field("", max_length=64, description="Id of the APNs key, ten characters.")
    apns_team_id: str = Field("", max_length=64, description="Id of the team at Apple, ten characters.")
    apns_topics: CommaList = Field(
        default_factory=list,
        description="Bundle ids of the apps that may register for APNs; the first serves devices that name none.",
    )
    apns_url: str = Field(
        "https://api.push.apple.com",
        pattern=_ORIGIN,
        description="Origin of APNs; `https://api.sandbox.push.apple.com` for development builds.",
    )
    push_allowed_hosts: CommaList = Field(
        list(PUSH_SERVICES),
        min_length=1,
        description="Push services: hosts (https, port 443), `*.host` for any below it, or a whole origin, which is "
        "taken as it is, private addresses too.",
    )
    push_ttl_seconds: int = Field(
        86_400, ge=60, le=2_419_200, description="How long after its message a notification is still worth showing."
    )
    push_timeout_seconds: float = Field(5, gt=0, le=60, description="Limit for one request to a push service.")
    push_concurrency: int = Field(100, ge=1, le=1000, description="Requests under way to one push service.")
    push_niceness: int = Field(
        10,
        ge=0,
        le=19,
        description="Niceness of the notifier, so that the chat's processes on the same machine get the CPU first. "
        "Between containers, `cpu_shares` or `requests.cpu` count instead.",
    )
    push_per_second: int = Field(
        0,
        ge=0,
        description="Pushes that one replica begins in a second; 0: as many as come. Where the chat runs on the same cores, a "
        "crowd of pushes then takes only a part of them.",
    )
    push_attempts: int = Field(6, ge=1, le=20, description="Requests for one notification before it is given up.")

    @field_validator("push_allowed_hosts")
    @classmethod
    def _allowed_hosts(cls, value: list[str]) -> list[str]:
        AllowList(value)
        return value

    @property
    def has_local_subject(self) -> bool:
        """Return True when the VAPID subject is on localhost, which Apple refuses."""
        return re.search(r"[@/]localhost\b", self.vapid_subject) is not None

    @model_validator(mode="after")
    def _real_contact(self) -> Self:
        # A key set (JWKS) means a real platform, and not the local stack.
        if self.vapid_private_key is not None and self.jwks_url is not None and self.has_local_subject:
            raise ValueError(
                "CHAT_VAPID_SUBJECT must be a contact that push services can reach; Apple refuses localhost"
            )
        return self

    @model_validator(mode="after")
    def _native_keys(self) -> Self:
        if self.fcm_credentials is not None:
            FcmAccount(self.fcm_credentials.get_secret_value(), self.push_timeout_seconds)
        if self.apns_key is not None:
            if not (self.apns_key_id and self.apns_team_id and self.apns_topics):
                raise ValueError("CHAT_APNS_KEY needs CHAT_APNS_KEY_ID, CHAT_APNS_TEAM_ID and CHAT_APNS_TOPICS")
            ApnsTokens(self.apns_signing_key).get()
        return self

    @property
    def apns_signing_key(self) -> ApnsKey:
        """Return the APNs key. Call it only when `apns_key` is set."""
        assert self.apns_key is not None
        return ApnsKey(self.apns_key.get_secret_value(), self.apns_key_id, self.apns_team_id)

    @field_validator("vapid_private_key", "fcm_credentials", "apns_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("vapid_private_key")
    @classmethod
    def _keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            VapidKeys.parse(value.get_secret_value())
        return value
