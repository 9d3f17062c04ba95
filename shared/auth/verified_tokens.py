"""Tokens that were verified a moment ago: a client sends the same one with each request, and a signature costs 40 to 150 µs."""

from hashlib import sha256
from typing import Final

from shared.auth.principal import Principal

KEPT: Final = 10_000
"""Tokens: some 6 MB."""


class VerifiedTokens:
    """Principals by the hash of their token, so that no token lies in memory. Beyond `KEPT` the oldest go.

    Nothing here says that a token holds now: whoever asks looks at its end and at revocations, as for any other.
    """

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._principals: dict[bytes, Principal] = {}

    def find(self, token: str, now: float) -> Principal | None:
        """The principal of a token that was kept and has not ended (`now`: Unix seconds), or None."""
        digest = _digest(token)
        principal = self._principals.get(digest)
        if principal is None or principal.expires_at > now:
            return principal
        del self._principals[digest]
        return None

    def keep(self, token: str, principal: Principal) -> None:
        """Remember what was verified."""
        self._principals[_digest(token)] = principal
        if len(self._principals) > self._most:
            del self._principals[next(iter(self._principals))]

    def forget(self) -> None:
        """Verify every token anew, as when keys have changed."""
        self._principals.clear()


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
