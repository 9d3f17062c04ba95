"""One notification on its way: text, encryption, signature, request."""

import time
from typing import Final

import structlog

from services.notifier import metrics
from services.notifier.allowlist import AllowList, EndpointRefused
from services.notifier.encryption import CONTENT_ENCODING, encrypt
from services.notifier.notification import notification_of, topic_of
from services.notifier.outcome import Fate, Outcome, Reason
from services.notifier.owed import Owed
from services.notifier.pushclient import PushClient
from services.notifier.vapid import VapidKeys, VapidSigner

log = structlog.get_logger(__name__)

_KEY_UNKNOWN: Final = Outcome(Fate.DROPPED, Reason.KEY_UNKNOWN)
_KEY_UNSET: Final = Outcome(Fate.DROPPED, Reason.KEY_UNSET)


class Sender:
    """Sends single notifications. `keys` is None when the operator has set no VAPID key: then nothing is sent."""

    def __init__(
        self, client: PushClient, allowed: AllowList, keys: VapidKeys | None, signer: VapidSigner, ttl_seconds: int
    ) -> None:
        self._client = client
        self._allowed = allowed
        self._keys = keys
        self._signer = signer
        self._ttl_seconds = ttl_seconds

    def service_of(self, owed: Owed) -> str:
        """The push service that a notification goes to. Raises EndpointRefused when it is no longer allowed."""
        return self._allowed.service_of(self._allowed.parse(owed.subscription.endpoint))

    async def send(self, owed: Owed) -> Outcome:
        """One request, and what came of it."""
        if self._keys is None:
            return _KEY_UNSET
        key = self._keys.find(owed.subscription.key_id)
        if key is None:
            return _KEY_UNKNOWN
        try:
            url = self._allowed.parse(owed.subscription.endpoint)
        except EndpointRefused as error:
            return Outcome(Fate.DROPPED, Reason.ENDPOINT_REFUSED, detail=str(error))
        body = encrypt(notification_of(owed.message), owed.subscription.p256dh, owed.subscription.auth)
        headers = self._headers(owed)
        headers["Authorization"] = self._signer.authorization(key, str(url.origin()))
        with metrics.REQUEST_SECONDS.labels(self._allowed.service_of(url)).time():
            return await self._client.post(url, trusted=self._allowed.trusts(url), headers=headers, body=body)

    def _headers(self, owed: Owed) -> dict[str, str]:
        age_seconds = int(time.time() - owed.message.created_at_ms / 1000)
        return {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": CONTENT_ENCODING,
            "TTL": str(max(0, self._ttl_seconds - age_seconds)),
            "Urgency": "high",
            "Topic": topic_of(owed.message.conversation_id, owed.subscription.id),
        }
