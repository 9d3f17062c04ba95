"""REST: the VAPID key, and push subscriptions (W3C Push API, `PushSubscription.toJSON()`)."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from services.notifier import metrics
from services.notifier.allowlist import AllowList, EndpointRefused
from services.notifier.base64url import decode, encode
from services.notifier.encryption import check_keys
from services.notifier.subscriptions import Subscription, Subscriptions, new_id
from services.notifier.vapid import VapidKeys
from shared.protocol import limits
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import CurrentUser

MAX_KEY_CHARACTERS = 128
MAX_EXPIRATION_MS = 253_402_300_799_000
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


def create_router(subscriptions: Subscriptions, allowed: AllowList, keys: VapidKeys | None) -> APIRouter:
    """The notifier's paths. Without VAPID keys those that need one answer 503."""
    router = APIRouter(prefix="/chat/push", tags=["push"])

    @router.get("/key")
    async def get_key(_user: CurrentUser) -> PublicKey:
        """The VAPID key to subscribe with."""
        return PublicKey(publicKey=encode(_present(keys).current.public))

    @router.put("/subscriptions", status_code=204, response_class=Response)
    async def put_subscription(user: CurrentUser, body: SubscriptionBody) -> None:
        """Register this browser. Posted again, it is updated, and moved to the user that posts it."""
        present = _present(keys)
        p256dh, auth = _parse(body, allowed)
        subscription = Subscription(new_id(), user.user_id, body.endpoint, p256dh, auth, present.current.id)
        expires_at = None if body.expirationTime is None else datetime.fromtimestamp(body.expirationTime / 1000, UTC)
        await subscriptions.put(subscription, named_key_id=_named_key_id(body, present), expires_at=expires_at)
        metrics.SUBSCRIPTIONS.labels("put").inc()

    @router.delete("/subscriptions", status_code=204, response_class=Response)
    async def delete_subscription(user: CurrentUser, body: EndpointBody) -> None:
        """Forget this browser. No error when it isn't one of the user's."""
        await subscriptions.delete(user.user_id, body.endpoint)
        metrics.SUBSCRIPTIONS.labels("delete").inc()

    return router


def _present(keys: VapidKeys | None) -> VapidKeys:
    if keys is None:
        raise ProtocolError(ErrorCode.UNAVAILABLE, "Push is not set up: CHAT_VAPID_PRIVATE_KEY is not set")
    return keys


def _parse(body: SubscriptionBody, allowed: AllowList) -> tuple[bytes, bytes]:
    """p256dh and auth of a subscription that we can send to. Raises ProtocolError (validation_error)."""
    try:
        allowed.parse(body.endpoint)
        p256dh, auth = _decode("p256dh", body.keys.p256dh), _decode("auth", body.keys.auth)
        check_keys(p256dh, auth)
    except (EndpointRefused, ValueError) as error:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, str(error)) from None
    return p256dh, auth


def _decode(name: str, text: str) -> bytes:
    try:
        return decode(text)
    except ValueError:
        raise ValueError(f"keys.{name}: not base64url") from None


def _named_key_id(body: SubscriptionBody, keys: VapidKeys) -> str | None:
    if body.applicationServerKey is None:
        return None
    try:
        key = keys.find_by_public(decode(body.applicationServerKey))
    except ValueError:
        key = None
    if key is None:
        raise ProtocolError(
            ErrorCode.VALIDATION_ERROR,
            "applicationServerKey: not a key of this server; subscribe again with the present one",
        )
    return key.id
