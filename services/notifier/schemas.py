"""Bodies of the notifier's REST interface (W3C Push API, `PushSubscription.toJSON()`)."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from shared.protocol import limits

MAX_KEY_CHARACTERS: Final = 128
MAX_EXPIRATION_MS: Final = 253_402_300_799_000
"""The last second of the year 9999."""

Endpoint = Annotated[str, Field(min_length=1, max_length=limits.MAX_URL_CHARACTERS)]
KeyText = Annotated[str, Field(min_length=1, max_length=MAX_KEY_CHARACTERS)]


class PublicKey(BaseModel):
    """What `pushManager.subscribe` takes as `applicationServerKey`."""

    publicKey: str = Field(description="Uncompressed P-256 point, base64url without padding.")  # noqa: N815


class SubscriptionKeys(BaseModel):
    """Keys of the browser, base64url."""

    p256dh: KeyText
    auth: KeyText


class SubscriptionBody(BaseModel):
    """A `PushSubscription` as browsers write it in JSON, and optionally the key that it was made with."""

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
    expirationTime: int | None = Field(  # noqa: N815
        None, ge=0, le=MAX_EXPIRATION_MS, description="Unix milliseconds."
    )
    keys: SubscriptionKeys
    applicationServerKey: KeyText | None = Field(  # noqa: N815
        None, description="`publicKey` at the time of subscribing. Without it: the current one, for a new endpoint."
    )


class EndpointBody(BaseModel):
    """Which subscription to forget."""

    endpoint: Endpoint
