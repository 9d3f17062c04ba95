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
        description="Signs web pushes (VAPID) with these keys, separated by commas. Each is base64url of 32 bytes, as "
        "`chatctl vapid` prints it. New subscriptions use the first key; the others serve older "
        "subscriptions. Unset: there are no web pushes.",
    )
    vapid_subject: str = Field(
        "mailto:postmaster@localhost",
        pattern=r"^(mailto:[^\s@]+@[^\s@]+|https://[^\s/]+.*)$",
        description="Tells push services how to reach the operator: a `mailto:` or `https:` URL (RFC 8292, section 2.1).",
    )
    fcm_credentials: SecretStr | None = Field(
        None,
        description="Signs in to FCM with this JSON key of a Firebase service account. Unset: there are no pushes by FCM.",
    )
    fcm_url: str = Field(
        "https://fcm.googleapis.com", pattern=_ORIGIN, description="Pushes by FCM are sent to this origin."
    )
    apns_key: SecretStr | None = Field(
        None,
        description="Signs in to APNs with this key: the text of its `.p8` file. Unset: there are no pushes by APNs.",
    )
    apns_key_id: str = Field("", max_length=64, description="The id of the APNs key, ten characters.")
    apns_team_id: str = Field("", max_length=64, description="The id of the team at Apple, ten characters.")
    apns_topics: CommaList = Field(
        default_factory=list,
        description="Apps with these bundle ids may register for APNs. A device that names no app gets the first one.",
    )
    apns_url: str = Field(
        "https://api.push.apple.com",
        pattern=_ORIGIN,
        description="Pushes by APNs are sent to this origin. Development builds need "
        "`https://api.sandbox.push.apple.com`.",
    )
    push_allowed_hosts: CommaList = Field(
        list(PUSH_SERVICES),
        min_length=1,
        description="Web pushes are sent only to these push services: a host (https, port 443), `*.host` for any host "
        "below it, or a whole origin. An origin may also be plain http, and may have a private address.",
    )
    push_ttl_seconds: int = Field(
        86_400,
        ge=60,
        le=2_419_200,
        description="A push service may deliver a notification for this many seconds after its message; then it is "
        "dropped.",
    )
    push_timeout_seconds: float = Field(
        5, gt=0, le=60, description="A request to a push service is given up after this many seconds, and retried."
    )
    push_concurrency: int = Field(
        100, ge=1, le=1000, description="Each replica has at most this many requests under way to one push service."
    )
    push_niceness: int = Field(
        10,
        ge=0,
        le=19,
        description="Sets the notifier's niceness, so that the chat's processes on the same machine get the CPU first. "
        "Between containers, set `cpu_shares` or `requests.cpu` instead.",
    )
    push_per_second: int = Field(
        0,
        ge=0,
        description="Each replica starts at most this many pushes per second; 0 means no limit. Set it where the chat "
        "runs on the same cores, so that many pushes at once don't use all CPU.",
    )
    push_attempts: int = Field(6, ge=1, le=20, description="A notification is given up after this many requests.")

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
