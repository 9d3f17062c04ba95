"""The VAPID key of the local stack (RFC 8292): made once, since push subscriptions are bound to it."""

import base64

from tools.stack.home import Home, write_private

KEY_BYTES = 32


def private_key(home: Home) -> str:
    """The private key on P-256, as base64url of its 32 bytes without padding: what `CHAT_VAPID_PRIVATE_KEY` holds."""
    file = home.path / "vapid.key"
    if not file.exists():
        write_private(file, _make())
    return file.read_text(encoding="utf-8")


def _make() -> str:
    from cryptography.hazmat.primitives.asymmetric import ec

    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return base64.urlsafe_b64encode(number.to_bytes(KEY_BYTES, "big")).decode().rstrip("=")
