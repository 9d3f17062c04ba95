"""FCM: Google's push service («FCM HTTP v1 API»), authorized by OAuth 2.0 for a service account (RFC 7523)."""

import asyncio
import functools
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials

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

QUEUE: Final = "fcm"
SCOPES: Final = ("https://www.googleapis.com/auth/firebase.messaging",)
NOTIFICATION_BYTES: Final = 3_800
"""Limit for the notification's texts. FCM accepts 4,096 bytes; the rest is for the names of the fields."""
RENEW_SECONDS: Final = 300
"""A token that expires within this time is replaced."""
DEAD_TOKENS: Final = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})
"""Error codes that mean that this device token will never work again with this project."""
KEY_FAULTS: Final = frozenset({"THIRD_PARTY_AUTH_ERROR", "UNAUTHENTICATED", "PERMISSION_DENIED"})
"""Error codes on which the operator must act."""


class FcmAccount:
    """A service account of a Firebase project, and its OAuth tokens.

    `text` is the JSON of its key file. Raises ValueError when that isn't one.
    """

    def __init__(self, text: str, timeout_seconds: float) -> None:
        try:
            info = json.loads(text)
            self.project: Final = str(info["project_id"])
            self._credentials = Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
        except (ValueError, KeyError, TypeError, GoogleAuthError) as error:
            raise ValueError(f"not the JSON key of a service account: {error}") from None
        self._request = functools.partial(Request(), timeout=timeout_seconds)
        self._renewal: asyncio.Task[None] | None = None

    async def token(self) -> str:
        """Return an access token that FCM accepts now.

        Concurrent callers share one request for a new one. Raises GoogleAuthError.
        """
        if not self._lasts():
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(asyncio.to_thread(self._credentials.refresh, self._request))
            await asyncio.shield(self._renewal)
        return str(self._credentials.token)

    def _lasts(self) -> bool:
        expiry: datetime | None = self._credentials.expiry
        # google-auth writes UTC without a time zone.
        return expiry is not None and expiry.replace(tzinfo=UTC).timestamp() - time.time() > RENEW_SECONDS


class FcmSender:
    """Sends to apps by FCM."""

    def __init__(self, client: NativeClient, account: FcmAccount, ttl_seconds: int) -> None:
        self._client = client
        self._account = account
        self._ttl_seconds = ttl_seconds

    def queue_of(self, _target: Target) -> str:
        """All devices share one queue."""
        return QUEUE

    async def send(self, approved: ApprovedJob) -> Outcome:
        """Make one request, and return its outcome."""
        device, message = approved.target, approved.job.message
        assert isinstance(device, Device)
        try:
            token = await self._account.token()
        except TransportError as error:
            return Outcome(Disposition.RETRY, Reason.UNREACHABLE, detail=repr(error))
        except GoogleAuthError as error:
            return Outcome(Disposition.KEY_FAULT, Reason.KEY_REFUSED, detail=repr(error))
        left_seconds = max(0, round(message.created_at_ms / 1000 + self._ttl_seconds - time.time()))
        body = message_of(
            notification_of(message, approved.receiver),
            device.token,
            topic_of(message.conversation_id, device.id),
            left_seconds,
        )
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        path = f"/v1/projects/{self._account.project}/messages:send"
        with metrics.REQUEST_SECONDS.labels(QUEUE).time():
            return await self._client.post(path, headers, body, outcome_of_response)


def message_of(notification: Notification, token: str, collapse_key: str, left_seconds: int) -> bytes:
    """Return the request's body («REST resource: projects.messages»).

    `data` has the fields of web pushes, flat, because FCM accepts only texts.
    """
    fitting = fitted(notification, NOTIFICATION_BYTES)
    data = fitting.data
    fields = {
        "type": "chat.message",
        "conversationId": data.conversation_id,
        "messageId": data.message_id,
        "senderId": data.sender_id or "",
        "senderName": data.sender_name,
        "unreadConversation": str(data.unread.conversation),
        "unreadTotal": str(data.unread.total),
    }
    android = {
        "collapse_key": collapse_key,
        "priority": "HIGH",
        "ttl": f"{left_seconds}s",
        "notification": {"tag": data.conversation_id, "notification_count": data.unread.total},
    }
    shown = {"title": fitting.title, "body": fitting.body}
    return json_encoder.encode({"message": {"token": token, "notification": shown, "data": fields, "android": android}})


def outcome_of_response(response: httpx.Response) -> Outcome:
    """Return the meaning of FCM's response («ErrorCode»). The body names the code, and for a malformed token the field."""
    if response.status_code == 200:
        return ACCEPTED
    error = json_object(response).get("error")
    codes, detail = _codes(error if isinstance(error, dict) else {}), detail_of(response)
    if codes & DEAD_TOKENS or "message.token" in codes:
        return Outcome(Disposition.GONE, Reason.GONE, detail=detail)
    if codes & KEY_FAULTS or response.status_code in {401, 403}:
        return Outcome(Disposition.KEY_FAULT, Reason.KEY_REFUSED, detail=detail)
    if response.status_code == 404:
        # There is no such project. That is not an error of the device's token.
        return Outcome(Disposition.KEY_FAULT, Reason.KEY_REFUSED, detail=detail)
    return outcome_of(response.status_code, response.headers.get("retry-after"), utc_now(), detail)


def _codes(error: Mapping[str, Any]) -> set[str]:
    """Return the status of an error, the FCM code in its details, and the fields that it names as invalid."""
    codes = {str(error.get("status", ""))}
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict):
            codes.add(str(detail.get("errorCode", "")))
            violations = detail.get("fieldViolations")
            for violation in violations if isinstance(violations, list) else []:
                if isinstance(violation, dict):
                    codes.add(str(violation.get("field", "")))
    return codes
