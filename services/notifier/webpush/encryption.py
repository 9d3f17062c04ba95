"""Message encryption for web push (RFC 8291): only the browser that subscribed can read a message, not its push service."""

from typing import Final

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

CONTENT_ENCODING: Final = "aes128gcm"
MAX_PLAINTEXT_BYTES: Final = 3_993
"""RFC 8291, section 4: 4,096 bytes minus the header of 86, the delimiter, and the tag of 16."""


def check_keys(p256dh: bytes, auth: bytes) -> None:
    """Raise ValueError unless these are a point on P-256, uncompressed (65 bytes), and a secret of 16 bytes."""
    if len(p256dh) != 65 or p256dh[0] != 4:
        raise ValueError("keys.p256dh: must be an uncompressed P-256 point, 65 bytes in base64url")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
    except ValueError:
        raise ValueError("keys.p256dh: not a point on the curve P-256") from None
    if len(auth) != 16:
        raise ValueError("keys.auth: must be 16 bytes in base64url")


def encrypt(
    plaintext: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    sender_key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Return the body of a push: header and one record (RFC 8188). `sender_key` and `salt` are random unless a test gives them.

    Raises ValueError for more than 3,993 bytes.
    """
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise ValueError(f"{len(plaintext)} bytes don't fit into a push")
    private = sender_key or ec.generate_private_key(ec.SECP256R1())
    body: bytes = http_ece.encrypt(
        plaintext, salt=salt, private_key=private, dh=p256dh, auth_secret=auth, version=CONTENT_ENCODING
    )
    return body
