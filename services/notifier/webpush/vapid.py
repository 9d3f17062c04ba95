"""VAPID (RFC 8292): signatures that identify the sender to push services.

A subscription works only with the key that it was created for.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from services.notifier.base64url import decode, encode

TOKEN_SECONDS: Final = 12 * 3600
"""RFC 8292, section 2: at most 24 hours."""
RENEW_SECONDS: Final = 3600
"""A token that expires within this time is replaced, so that it is valid during the request even if a clock is wrong."""
SCALAR_BYTES: Final = 32
ID_CHARACTERS: Final = 16
MAX_ORIGINS: Final = 256
"""Origins whose signatures are cached; a signature costs 0.1 ms."""


@dataclass(frozen=True, slots=True)
class VapidKey:
    """A P-256 key pair. `public` is the uncompressed point, 65 bytes; `id` the beginning of its base64url."""

    private: ec.EllipticCurvePrivateKey
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return a key from base64url of its private scalar (32 bytes, big-endian). Raises ValueError."""
        raw = decode(text)
        if len(raw) != SCALAR_BYTES:
            raise ValueError("a VAPID key is base64url of 32 bytes: `chatctl vapid` makes one")
        private = ec.derive_private_key(int.from_bytes(raw), ec.SECP256R1())
        return cls(private, private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @classmethod
    def generate(cls) -> Self:
        """Return a new key."""
        private = ec.generate_private_key(ec.SECP256R1())
        return cls(private, private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @property
    def id(self) -> str:
        """Return a short name, which is stored with each subscription.

        Of its bits, 90 depend on the key, because the first byte of every point is 4.
        """
        return encode(self.public)[:ID_CHARACTERS]

    def private_text(self) -> str:
        """Return the private key as text, for `parse`."""
        return encode(self.private.private_numbers().private_value.to_bytes(SCALAR_BYTES))


class VapidKeys:
    """The current key, and older ones that still have subscriptions."""

    def __init__(self, keys: list[VapidKey]) -> None:
        if not keys:
            raise ValueError("no VAPID key")
        self.current: Final = keys[0]
        self._by_id: Final = {key.id: key for key in keys}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return keys from their texts, separated by commas, the current one first. Raises ValueError."""
        return cls([VapidKey.parse(part.strip()) for part in text.split(",") if part.strip()])

    def find(self, key_id: str) -> VapidKey | None:
        """Return the key of this id, or None when it was removed from the setting."""
        return self._by_id.get(key_id)

    def find_by_public(self, public: bytes) -> VapidKey | None:
        """Return the key with this uncompressed point, or None."""
        return next((key for key in self._by_id.values() if key.public == public), None)


class VapidSigner:
    """Makes `Authorization` headers. A signature is used for all requests to one origin for hours."""

    def __init__(self, subject: str, now: Callable[[], float] = time.time) -> None:
        self._subject = subject
        self._now = now
        self._headers: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    def authorization(self, key: VapidKey, origin: str) -> str:
        """Return `vapid t=<JWT>,k=<public key>` (RFC 8292, section 3) for requests to `origin`."""
        now = self._now()
        expires_at, header = self._headers.pop((key.id, origin), (0.0, ""))
        if expires_at - now < RENEW_SECONDS:
            expires_at = now + TOKEN_SECONDS
            claims = {"aud": origin, "exp": int(expires_at), "sub": self._subject}
            header = str(Vapid02(key.private).sign(claims)["Authorization"])
        # The last entry was used last. Below a wildcard of the allow-list, users can invent any number of origins.
        self._headers[(key.id, origin)] = (expires_at, header)
        while len(self._headers) > MAX_ORIGINS:
            self._headers.popitem(last=False)
        return header
