"""REST: the VAPID key, push subscriptions, native devices, and the settings of the user."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body

from services.notifier import metrics
from services.notifier.base64url import decode, encode
from services.notifier.devices import Device, Devices, Platform
from services.notifier.push_settings import PushSettingsStore
from services.notifier.schemas import (
    DeviceBody,
    EndpointBody,
    PublicKey,
    SettingsBody,
    SettingsPatch,
    SubscriptionBody,
)
from services.notifier.subscriptions import Subscription, Subscriptions, instant_of, new_id
from services.notifier.webpush.allowlist import AllowList, EndpointRefused
from services.notifier.webpush.encryption import check_keys
from services.notifier.webpush.vapid import VapidKeys
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import CurrentUser


class WebPushEndpoints:
    """The paths of the VAPID key and of the user's browsers. Without VAPID keys, requests that need one get 503."""

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
        """Return the VAPID key to subscribe with."""
        return PublicKey(publicKey=encode(_present(self._keys).current.public))

    async def put_subscription(self, user: CurrentUser, body: SubscriptionBody) -> None:
        """Register this browser. When it is posted again, it is updated, and moved to the user who posts it."""
        keys = _present(self._keys)
        p256dh, auth = _parse(body, self._allowed)
        subscription = Subscription(
            id=new_id(),
            user_id=user.user_id,
            endpoint=body.endpoint,
            p256dh=p256dh,
            auth=auth,
            key_id=keys.current.id,
            token_issued_at=instant_of(user.issued_at),
            updated_at=datetime.now(UTC),
        )
        expires_at = None if body.expirationTime is None else datetime.fromtimestamp(body.expirationTime / 1000, UTC)
        await self._subscriptions.put(subscription, named_key_id=_named_key_id(body, keys), expires_at=expires_at)
        metrics.SUBSCRIPTIONS.labels("put").inc()

    async def delete_subscription(self, user: CurrentUser, body: Annotated[EndpointBody | None, Body()] = None) -> None:
        """Delete this browser, or without a body all browsers of the user. It is no error when there is none."""
        await self._subscriptions.delete(user.user_id, None if body is None else body.endpoint)
        metrics.SUBSCRIPTIONS.labels("delete").inc()


class DeviceEndpoints:
    """The paths of the user's native devices. Devices are stored even while their platform isn't configured."""

    def __init__(self, devices: Devices, apns_topics: list[str]) -> None:
        self._devices = devices
        self._apns_topics = apns_topics

    def router(self) -> APIRouter:
        """The routes, with their documentation."""
        router = APIRouter(prefix="/chat/push", tags=["push"])
        router.add_api_route("/devices", self.put_device, methods=["PUT"], status_code=204)
        router.add_api_route("/devices", self.delete_device, methods=["DELETE"], status_code=204)
        return router

    async def put_device(self, user: CurrentUser, body: DeviceBody) -> None:
        """Register an app on this device. When it is posted again, it is updated, and moved to the user who posts it."""
        topics = self._apns_topics
        if body.platform is Platform.APNS and body.app is not None and topics and body.app not in topics:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, f"app: {body.app} is not an app of this server")
        now = datetime.now(UTC)
        device = Device(new_id(), user.user_id, body.platform, body.token, body.app, instant_of(user.issued_at), now)
        await self._devices.put(device)
        metrics.SUBSCRIPTIONS.labels("put_device").inc()

    async def delete_device(self, user: CurrentUser, body: DeviceBody) -> None:
        """Delete an app on this device. It is no error when it isn't one of the user's."""
        await self._devices.delete(user.user_id, body.platform, body.token)
        metrics.SUBSCRIPTIONS.labels("delete_device").inc()


class SettingsEndpoints:
    """The paths of the user's settings."""

    def __init__(self, settings: PushSettingsStore) -> None:
        self._settings = settings

    def router(self) -> APIRouter:
        """The routes, with their documentation."""
        router = APIRouter(prefix="/chat/users/me", tags=["push"])
        router.add_api_route("/settings", self.get_settings, methods=["GET"])
        router.add_api_route("/settings", self.change_settings, methods=["PATCH"])
        return router

    async def get_settings(self, user: CurrentUser) -> SettingsBody:
        """Return the user's settings."""
        return SettingsBody.of(await self._settings.get(user.user_id))

    async def change_settings(self, user: CurrentUser, body: SettingsPatch) -> SettingsBody:
        """Change the given settings, and return all settings."""
        return SettingsBody.of(await self._settings.change(user.user_id, body.push.applied_to))


def _present(keys: VapidKeys | None) -> VapidKeys:
    if keys is None:
        raise ProtocolError(ErrorCode.UNAVAILABLE, "Push is not set up: CHAT_VAPID_PRIVATE_KEY is not set")
    return keys


def _parse(body: SubscriptionBody, allowed: AllowList) -> tuple[bytes, bytes]:
    """Return p256dh and auth of a subscription that we can send to. Raises ProtocolError (validation_error)."""
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
        raise ValueError(f"keys.{name}: must be base64url") from None


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
