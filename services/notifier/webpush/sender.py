"""Sends jobs as web pushes: makes the text, encrypts and signs it, and makes the request."""

import time
from collections import OrderedDict
from typing import Final

from services.notifier import metrics
from services.notifier.delivery.outcome import (
    KEY_UNKNOWN,
    KEY_UNSET,
    UNANSWERED,
    UNASKED,
    Disposition,
    Outcome,
    Reason,
)
from services.notifier.delivery.service_queue import NEW_HOSTS
from services.notifier.notification import fitted, notification_of, topic_of
from services.notifier.push_jobs import ApprovedJob
from services.notifier.subscriptions import Subscription
from services.notifier.targets import Target
from services.notifier.webpush.allowlist import AllowList, EndpointRefused
from services.notifier.webpush.encryption import CONTENT_ENCODING, MAX_PLAINTEXT_BYTES, encrypt
from services.notifier.webpush.http_client import WebPushClient
from services.notifier.webpush.vapid import VapidKeys, VapidSigner
from shared.protocol.codec import json_encoder

MAX_HOSTS: Final = 1_024
"""Hosts below a wildcard that are remembered because they have answered."""


class WebPushSender:
    """Sends to browsers. `keys` is None when the operator has set no VAPID key; then nothing is sent."""

    def __init__(
        self, client: WebPushClient, allowed: AllowList, keys: VapidKeys | None, signer: VapidSigner, ttl_seconds: int
    ) -> None:
        self._client = client
        self._allowed = allowed
        self._keys = keys
        self._signer = signer
        self._ttl_seconds = ttl_seconds
        self._answering: OrderedDict[str, None] = OrderedDict()

    def queue_of(self, target: Target) -> str:
        """Return the push service of a browser. Raises EndpointRefused when it is no longer allowed.

        Below a wildcard, hosts that have never answered share a separate queue. So invented hosts, whose look-up takes seconds,
        take no places from working ones.
        """
        assert isinstance(target, Subscription)
        url = self._allowed.parse(target.endpoint)
        service = self._allowed.service_of(url)
        return service + NEW_HOSTS if self._is_new(service, url.raw_host) else service

    async def send(self, approved: ApprovedJob) -> Outcome:
        """Make one request, and return its outcome."""
        target = approved.target
        assert isinstance(target, Subscription)
        if self._keys is None:
            return KEY_UNSET
        key = self._keys.find(target.key_id)
        if key is None:
            return KEY_UNKNOWN
        try:
            url = self._allowed.parse(target.endpoint)
        except EndpointRefused as error:
            return Outcome(Disposition.DROPPED, Reason.ENDPOINT_REFUSED, detail=str(error))
        service = self._allowed.service_of(url)
        notification = notification_of(approved.job.message, approved.receiver)
        text = json_encoder.encode(fitted(notification, MAX_PLAINTEXT_BYTES))
        headers = self._headers(approved)
        headers["Authorization"] = self._signer.authorization(key, str(url.origin()))
        with metrics.REQUEST_SECONDS.labels(service).time():
            outcome = await self._client.post(
                url,
                trusted=self._allowed.trusts(url),
                headers=headers,
                body=encrypt(text, target.p256dh, target.auth),
            )
        if self._allowed.is_wildcard(service) and outcome.reason not in UNASKED | UNANSWERED:
            self._remember(url.raw_host or "")
        return outcome

    def _is_new(self, service: str, host: str | None) -> bool:
        return self._allowed.is_wildcard(service) and host not in self._answering

    def _remember(self, host: str) -> None:
        self._answering[host] = None
        self._answering.move_to_end(host)
        if len(self._answering) > MAX_HOSTS:
            self._answering.popitem(last=False)

    def _headers(self, approved: ApprovedJob) -> dict[str, str]:
        message = approved.job.message
        age_seconds = int(time.time() - message.created_at_ms / 1000)
        return {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": CONTENT_ENCODING,
            "TTL": str(max(0, self._ttl_seconds - age_seconds)),
            "Urgency": "high",
            "Topic": topic_of(message.conversation_id, approved.target.id),
        }
