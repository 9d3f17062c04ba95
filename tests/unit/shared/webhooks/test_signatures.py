"""Signatures by Standard Webhooks, checked with the specification's own library."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from shared.webhooks.signatures import Signer, key_of

OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
BODY = '{"type":"message.created","timestamp":"2026-01-01T00:00:00.000Z","data":{"content":"héllo"}}'


def test_posts_are_signed_with_both_secrets_during_a_rotation() -> None:
    headers = Signer([OLD, NEW]).headers("msg_1", datetime.now(UTC), BODY)
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(BODY, headers)["data"]["content"] == "héllo"


def test_another_body_id_or_secret_is_noticed() -> None:
    headers = Signer([OLD]).headers("msg_1", datetime.now(UTC), BODY)
    for secret, body, given in (
        (NEW, BODY, headers),
        (OLD, BODY.replace("hé", "ho"), headers),
        (OLD, BODY, {**headers, "webhook-id": "msg_2"}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, given)


@pytest.mark.parametrize(
    ("secret", "said"),
    [("whsec_***", "base64"), ("whsec_c2hvcnQ=", "at least 16 bytes"), ("short", "at least 16 bytes")],
)
def test_a_secret_that_is_no_key_is_refused(secret: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        key_of(secret)


def test_a_text_that_is_no_base64_stands_for_its_own_bytes() -> None:
    assert key_of("any long enough text, with blanks") == b"any long enough text, with blanks"
