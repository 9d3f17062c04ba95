"""Bodies of the notifier's REST interface. Subscriptions are W3C Push API, `PushSubscription.toJSON()`."""

from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from services.notifier.devices import Platform
from services.notifier.push_settings import PushSettings
from services.notifier.quiet_hours import QuietHours, minutes_of, text_of
from shared.protocol import limits
from shared.protocol.codec import instant
from shared.rest.bodies import WHOLE, RequestBody
from shared.rest.formats import InstantOrNull, InstantText

MAX_KEY_CHARACTERS: Final = 128
MAX_DEVICE_TOKEN_CHARACTERS: Final = 1_024
MAX_TIME_ZONE_CHARACTERS: Final = 64
MAX_EXPIRATION_MS: Final = 253_402_300_799_000
"""The last second of the year 9999."""

Endpoint = Annotated[
    str, Field(min_length=1, max_length=limits.MAX_URL_CHARACTERS, pattern=r"^[!-~]+$", description="A URL in ASCII.")
]
KeyText = Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)]


class PublicKey(BaseModel):
    """The value for `applicationServerKey` of `pushManager.subscribe`."""

    publicKey: str = Field(description="Uncompressed P-256 point, base64url without padding.")  # noqa: N815


class SubscriptionKeys(RequestBody):
    """Keys of the browser, base64url."""

    p256dh: KeyText
    auth: KeyText


class SubscriptionBody(RequestBody):
    """A `PushSubscription` in the browsers' JSON, and optionally the key that it was created with."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAA",
                "expirationTime": None,
                "keys": {
                    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
                },
            }
        }
    )

    endpoint: Endpoint
    expirationTime: Annotated[int, Field(ge=0, le=MAX_EXPIRATION_MS), WHOLE] | None = Field(  # noqa: N815
        None, description="Unix milliseconds."
    )
    keys: SubscriptionKeys
    applicationServerKey: KeyText | None = Field(  # noqa: N815
        None, description="`publicKey` at the time of subscribing. Without it: the current one, for a new endpoint."
    )


class EndpointBody(RequestBody):
    """Which subscription to delete."""

    endpoint: Endpoint


class DeviceBody(RequestBody):
    """An app on a device: the token that FCM or APNs gave it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"platform": "apns", "token": "a1b2c3d4" * 8, "app": "com.example.chat"}}
    )

    # JSON has no enumerations: it comes as a text.
    platform: Annotated[Platform, Field(strict=False)]
    token: str = Field(
        min_length=1,
        max_length=MAX_DEVICE_TOKEN_CHARACTERS,
        pattern=r"^[A-Za-z0-9_:.=+/-]+$",
        description="As the platform gave it; of APNs in hexadecimal.",
    )
    app: str | None = Field(
        None,
        max_length=255,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="Bundle id, for APNs. Without it: the operator's default.",
    )

    @model_validator(mode="after")
    def _hexadecimal(self) -> Self:
        if self.platform is Platform.APNS and set(self.token) - set("0123456789abcdefABCDEF"):
            raise ValueError("token: must be hexadecimal for apns")
        return self


class QuietHoursBody(RequestBody):
    """A daily span of local time without pushes: `from` inclusive, `to` exclusive, over midnight when `from` is later."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={"example": {"timeZone": "Asia/Bangkok", "from": "22:00", "to": "07:30"}},
    )

    timeZone: str = Field(max_length=MAX_TIME_ZONE_CHARACTERS, description="An IANA time zone.")  # noqa: N815
    start: str = Field(alias="from", max_length=5, description="HH:MM, local time.")
    end: str = Field(alias="to", max_length=5, description="HH:MM, local time.")

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        self.quiet_hours()
        return self

    def quiet_hours(self) -> QuietHours:
        """Return the span. Raises ValueError when it isn't valid."""
        return QuietHours(self.timeZone, minutes_of(self.start), minutes_of(self.end))

    @classmethod
    def of(cls, quiet_hours: QuietHours) -> Self:
        """Return the body of a span."""
        return cls(timeZone=quiet_hours.time_zone, start=text_of(quiet_hours.start), end=text_of(quiet_hours.end))


class PushSettingsBody(BaseModel):
    """A user's push settings."""

    preview: bool = Field(description="False: a push says «New message», and nothing of the content.")
    quietHours: QuietHoursBody | None  # noqa: N815
    mutedUntil: InstantText | None = Field(description="No pushes until this instant.")  # noqa: N815


class SettingsBody(BaseModel):
    """All settings of a user."""

    push: PushSettingsBody

    @classmethod
    def of(cls, settings: PushSettings) -> Self:
        """Return the body of a user's settings."""
        quiet, muted = settings.quiet_hours, settings.muted_until
        return cls(
            push=PushSettingsBody(
                preview=settings.preview,
                quietHours=None if quiet is None else QuietHoursBody.of(quiet),
                mutedUntil=None if muted is None else instant(muted),
            )
        )


class PushSettingsPatch(RequestBody):
    """Settings to change. A field that is left out stays as it is."""

    # A field that is misspelt must not look as if it had been changed.
    model_config = ConfigDict(extra="forbid")

    preview: bool = True
    quietHours: QuietHoursBody | None = None  # noqa: N815
    mutedUntil: InstantOrNull = None  # noqa: N815

    def applied_to(self, settings: PushSettings) -> PushSettings:
        """Return `settings` with the changes."""
        given = self.model_fields_set
        quiet = None if self.quietHours is None else self.quietHours.quiet_hours()
        return PushSettings(
            preview=self.preview if "preview" in given else settings.preview,
            quiet_hours=quiet if "quietHours" in given else settings.quiet_hours,
            muted_until=self.mutedUntil if "mutedUntil" in given else settings.muted_until,
        )


class SettingsPatch(RequestBody):
    """Changes of a user's settings."""

    # A field that is misspelt must not look as if it had been changed.
    model_config = ConfigDict(extra="forbid")

    push: PushSettingsPatch = Field(default_factory=PushSettingsPatch)
