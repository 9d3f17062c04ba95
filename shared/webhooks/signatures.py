"""Signatures by the Standard Webhooks specification: HMAC-SHA256 over id, time and body."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from standardwebhooks import Webhook

from shared.protocol.codec import instant, json_encoder

PREFIX: Final = "whsec_"
MIN_KEY_BYTES: Final = 16


def key_of(secret: str) -> bytes:
    """Return the key of a secret: base64, with or without the prefix `whsec_`; any other text is used as its bytes.

    Raises ValueError for a key of fewer than 16 bytes, and for a text after `whsec_` that isn't base64.
    """
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        if secret.startswith(PREFIX):
            raise ValueError(f"{PREFIX} must be followed by base64") from None
        key = secret.encode()
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"a secret must have at least {MIN_KEY_BYTES} bytes")
    return key


class Signer:
    """Signs with each of several secrets, so that during a rotation the receiver may use the old one or the new one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = [Webhook(key_of(secret)) for secret in secrets]

    def headers(self, event_id: str, at: datetime, body: str) -> dict[str, str]:
        """Return the headers of a post: `webhook-id`, `webhook-timestamp` (Unix seconds), `webhook-signature`."""
        moment = at.astimezone(UTC)
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(key.sign(event_id, moment, body) for key in self._keys),
            "content-type": "application/json",
        }

    def body(self, kind: str, data: dict[str, Any]) -> str:
        """Return the body of a post with the current time."""
        return json_encoder.encode({"type": kind, "timestamp": instant(datetime.now(UTC)), "data": data}).decode()

    def headers_now(self, body: str) -> dict[str, str]:
        """Return the headers of a post that is sent once, with a new id."""
        return self.headers(f"msg_{uuid4().hex}", datetime.now(UTC), body)
