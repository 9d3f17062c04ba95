"""Sends one job as a web push: text, encryption, signature, request."""

import time
from typing import Final

import structlog

from services.notifier import metrics
from services.notifier.delivery.outcome import Disposition, Outcome, Reason
from services.notifier.notification import notification_of, topic_of
from services.notifier.push_jobs import PushJob
from services.notifier.webpush.allowlist import AllowList, EndpointRefused
from services.notifier.webpush.encryption import CONTENT_ENCODING, encrypt
from services.notifier.webpush.http_client import WebPushClient
from services.notifier.webpush.vapid import VapidKeys, VapidSigner

log = structlog.get_logger(__name__)

_KEY_UNKNOWN: Final = Outcome(Disposition.DROPPED, Reason.KEY_UNKNOWN)
_KEY_UNSET: Final = Outcome(Disposition.DROPPED, Reason.KEY_UNSET)


class Sender:
    """Sends single jobs. `keys` is None when the operator has set no VAPID key: then nothing is sent."""

    def __init__(
        self, client: WebPushClient, allowed: AllowList, keys: VapidKeys | None, signer: VapidSigner, ttl_seconds: int
    ) -> None:
        self._client = client
        self._allowed = allowed
        self._keys = keys
        self._signer = signer
        self._ttl_seconds = ttl_seconds

    def service_of(self, job: PushJob) -> str:
        """The push service that a job goes to. Raises EndpointRefused when it is no longer allowed."""
        return self._allowed.service_of(self._allowed.parse(job.subscription.endpoint))

    async def send(self, job: PushJob) -> Outcome:
        """Make one request, and return its outcome."""
        if self._keys is None:
            return _KEY_UNSET
        key = self._keys.find(job.subscription.key_id)
        if key is None:
            return _KEY_UNKNOWN
        try:
            url = self._allowed.parse(job.subscription.endpoint)
        except EndpointRefused as error:
            return Outcome(Disposition.DROPPED, Reason.ENDPOINT_REFUSED, detail=str(error))
        body = encrypt(notification_of(job.message), job.subscription.p256dh, job.subscription.auth)
        headers = self._headers(job)
        headers["Authorization"] = self._signer.authorization(key, str(url.origin()))
        with metrics.REQUEST_SECONDS.labels(self._allowed.service_of(url)).time():
            return await self._client.post(url, trusted=self._allowed.trusts(url), headers=headers, body=body)

    def _headers(self, job: PushJob) -> dict[str, str]:
        age_seconds = int(time.time() - job.message.created_at_ms / 1000)
        return {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": CONTENT_ENCODING,
            "TTL": str(max(0, self._ttl_seconds - age_seconds)),
            "Urgency": "high",
            "Topic": topic_of(job.message.conversation_id, job.subscription.id),
        }
