"""APNs: Apple's push service («Sending notification requests to APNs», «Handling notification responses from APNs»).

HTTP/2, authorized by a token that is signed with the operator's key («Establishing a token-based connection to APNs»).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx
import jwt

from services.notifier import metrics
from services.notifier.decision import utc_now
from services.notifier.delivery.outcome import ACCEPTED, Disposition, Outcome, Reason, outcome_of
from services.notifier.devices import Device
from services.notifier.native.http2 import NativeClient, detail_of, json_object
from services.notifier.notification import fitted, notification_of, topic_of
from services.notifier.push_jobs import ApprovedJob
from services.notifier.targets import Target
from shared.protocol.codec import json_encoder
from shared.protocol.push import Notification

QUEUE: Final = "apns"
NOTIFICATION_BYTES: Final = 3_800
"""Limit for the notification's texts. Apple accepts 4,096 bytes; the rest is for the names of the fields."""
TOKEN_SECONDS: Final = 40 * 60
"""Age at which a token is replaced.

APNs refuses tokens that are older than an hour, or that change more often than every 20 minutes.
"""
DEAD_TOKENS: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"})
"""Reasons that mean that this device token will never work again."""
KEY_FAULTS: Final = frozenset(
    {"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken", "BadCertificate", "Forbidden"}
    | {"TopicDisallowed", "BadTopic", "MissingTopic", "BadCertificateEnvironment"}
)
"""Reasons on which the operator must act."""


@dataclass(frozen=True, slots=True)
class ApnsKey:
    """The operator's signing key: `private` is a PKCS 8 PEM of a P-256 key, `key_id` and `team_id` name it to Apple."""

    private: str
    key_id: str
    team_id: str


class ApnsTokens:
    """Makes provider tokens, a new one every 40 minutes. `now` returns Unix seconds."""

    def __init__(self, key: ApnsKey, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._issued_at = -float(TOKEN_SECONDS)
        self._token = ""

    def get(self) -> str:
        """Return a token that APNs accepts now."""
        now = self._now()
        if now - self._issued_at >= TOKEN_SECONDS:
            claims = {"iss": self._key.team_id, "iat": int(now)}
            self._token = jwt.encode(claims, self._key.private, "ES256", headers={"kid": self._key.key_id})
            self._issued_at = now
        return self._token


class ApnsSender:
    """Sends to apps on Apple's systems. `topic` is the bundle id of devices that were registered without one."""

    def __init__(self, client: NativeClient, tokens: ApnsTokens, topic: str, ttl_seconds: int) -> None:
        self._client = client
        self._tokens = tokens
        self._topic = topic
        self._ttl_seconds = ttl_seconds

    def queue_of(self, _target: Target) -> str:
        """All devices share one queue."""
        return QUEUE

    async def send(self, approved: ApprovedJob) -> Outcome:
        """Make one request, and return its outcome."""
        device = approved.target
        assert isinstance(device, Device)
        message = approved.job.message
        headers = {
            "authorization": f"bearer {self._tokens.get()}",
            "apns-topic": device.app or self._topic,
            "apns-push-type": "alert",
            "apns-priority": "10",
            "apns-expiration": str(message.created_at_ms // 1000 + self._ttl_seconds),
            "apns-collapse-id": topic_of(message.conversation_id, device.id),
        }
        body = payload_of(notification_of(message, approved.receiver))
        with metrics.REQUEST_SECONDS.labels(QUEUE).time():
            return await self._client.post(f"/3/device/{device.token}", headers, body, outcome_of_response)


def payload_of(notification: Notification) -> bytes:
    """Return the payload for the app.

    `aps` is Apple's format («Generating a remote notification»); `data` is as in web pushes.
    """
    fitting = fitted(notification, NOTIFICATION_BYTES)
    payload = {
        "aps": {
            "alert": {"title": fitting.title, "body": fitting.body},
            "badge": fitting.data.unread.total,
            "sound": "default",
            "thread-id": fitting.data.conversation_id,
        },
        "data": fitting.data,
    }
    return json_encoder.encode(payload)


def outcome_of_response(response: httpx.Response) -> Outcome:
    """Return the meaning of APNs' response. Its body names the reason."""
    if response.status_code == 200:
        return ACCEPTED
    reason, detail = str(json_object(response).get("reason", "")), detail_of(response)
    if reason in DEAD_TOKENS or response.status_code == 410:
        return Outcome(Disposition.GONE, Reason.GONE, detail=detail)
    if reason in KEY_FAULTS:
        return Outcome(Disposition.KEY_FAULT, Reason.KEY_REFUSED, detail=detail)
    if response.status_code == 404:
        return Outcome(Disposition.DROPPED, Reason.REJECTED, detail=detail)
    return outcome_of(response.status_code, response.headers.get("retry-after"), utc_now(), detail)
