"""A cache of verified tokens: a client sends the same token with each request, and checking a signature costs 40 to 150 µs."""

from hashlib import sha256
from typing import Final

from shared.auth.principal import Principal

KEPT: Final = 10_000
"""Most cached tokens: about 6 MB."""


class VerifiedTokens:
    """Principals by the hash of their token, so that tokens themselves aren't in memory. Above `KEPT` the oldest are dropped.

    A cached token may have been revoked: callers check revocations as for any other token.
    """

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._principals: dict[bytes, Principal] = {}

    def find(self, token: str, now: float) -> Principal | None:
        """Return the principal of a cached token that has not expired (`now`: Unix seconds), or None."""
        digest = _digest(token)
        principal = self._principals.get(digest)
        if principal is None or principal.expires_at > now:
            return principal
        del self._principals[digest]
        return None

    def keep(self, token: str, principal: Principal) -> None:
        """Cache a verified token."""
        self._principals[_digest(token)] = principal
        if len(self._principals) > self._most:
            del self._principals[next(iter(self._principals))]

    def forget(self) -> None:
        """Empty the cache, for instance when keys have changed."""
        self._principals.clear()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
