"""REST: the VAPID key, and the push subscriptions of the user."""

from datetime import UTC, datetime

from fastapi import APIRouter

from services.notifier import metrics
from services.notifier.schemas import EndpointBody, PublicKey, SubscriptionBody
from services.notifier.subscriptions import Subscription, Subscriptions, new_id
from services.notifier.webpush.allowlist import AllowList, EndpointRefused
from services.notifier.webpush.base64url import decode, encode
from services.notifier.webpush.encryption import check_keys
from services.notifier.webpush.vapid import VapidKeys
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import CurrentUser


class Endpoints:
    """The notifier's paths. Without VAPID keys those that need one answer 503."""

    def __init__(self, subscriptions: Subscriptions, allowed: AllowList, keys: VapidKeys | None) -> None:
        self._subscriptions = subscriptions
        self._allowed = allowed
        self._keys = keys

    def router(self) -> APIRouter:
        """The routes, with their documentation."""
        router = APIRouter(prefix="/chat/push", tags=["push"])
        router.add_api_route("/key", self.get_key, methods=["GET"])
        router.add_api_route("/subscriptions", self.put_subscription, methods=["PUT"], status_code=204)
        router.add_api_route("/subscriptions", self.delete_subscription, methods=["DELETE"], status_code=204)
        return router

    async def get_key(self, _user: CurrentUser) -> PublicKey:
        """The VAPID key to subscribe with."""
        return PublicKey(publicKey=encode(_present(self._keys).current.public))

    async def put_subscription(self, user: CurrentUser, body: SubscriptionBody) -> None:
        """Register this browser. Posted again, it is updated, and moved to the user that posts it."""
        keys = _present(self._keys)
        p256dh, auth = _parse(body, self._allowed)
        subscription = Subscription(new_id(), user.user_id, body.endpoint, p256dh, auth, keys.current.id)
        expires_at = None if body.expirationTime is None else datetime.fromtimestamp(body.expirationTime / 1000, UTC)
        await self._subscriptions.put(subscription, named_key_id=_named_key_id(body, keys), expires_at=expires_at)
        metrics.SUBSCRIPTIONS.labels("put").inc()

    async def delete_subscription(self, user: CurrentUser, body: EndpointBody) -> None:
        """Forget this browser. No error when it isn't one of the user's."""
        await self._subscriptions.delete(user.user_id, body.endpoint)
        metrics.SUBSCRIPTIONS.labels("delete").inc()


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
