"""JWT verification (RFC 7519, RFC 8725). The key determines the algorithm, never the token."""

import asyncio
import base64
import json
import re
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any, Final

import jwt
import structlog
from jwt.algorithms import HMACAlgorithm
from jwt.types import Options

from shared.auth.principal import Principal
from shared.auth.verified_tokens import VerifiedTokens
from shared.protocol import limits
from shared.protocol.avatars import avatar_fault
from shared.protocol.codec import is_uuid
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.text import without_forbidden
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

LEEWAY_SECONDS: Final = 5
"""How far the issuer's clock may be ahead of ours, for `iat` and `nbf`. `exp` has no leeway (RFC 7519, section 4.1.4)."""
MAX_EXPIRES_AT: Final = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
"""The last second that RFC 3339 can express, because clients are told when their token expires."""
KEY_SET_TIMEOUT_SECONDS: Final = 5
KEY_SET_PAUSE_SECONDS: Final = 5
"""Shortest time between two fetches of the key set that tokens with unknown keys cause."""
MAX_KEY_SET_BYTES: Final = 1 << 20
ASYMMETRIC_ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""JWK key type → the only algorithm that we accept for its keys."""


_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""A JWS in its compact serialization (RFC 7515, sections 2 and 7.1): PyJWT also accepts padding."""


class TokenError(ProtocolError):
    """A token that is missing, malformed, expired, revoked or signed by somebody else.

    The reason is for logs and the `WWW-Authenticate` header. `message` is for clients; by default it says that authentication is
    required.
    """

    def __init__(self, reason: str, message: str | None = None, *, missing: bool = False) -> None:
        super().__init__(ErrorCode.UNAUTHORIZED, message)
        self.reason = reason
        self.missing = missing
        """True when there was no token."""


class TokenVerifier:
    """Verifies JWTs. Keys: one HS256 secret, or a key set at a URL, which `refresh_forever` keeps up to date.

    `now` returns Unix seconds by the clock for token times; services pass `StoreClock.now`.
    """

    def __init__(self, settings: ServiceSettings, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        self._keys: dict[str, tuple[Any, str]] = {}
        self._fetching: asyncio.Task[None] | None = None
        self._fetch_again_at = 0.0
        self._verified = VerifiedTokens()
        secret = settings.jwt_secret
        self._secret = None if secret is None else _hmac_key(secret.get_secret_value())

    def verify(self, token: str) -> Principal:
        """Return the principal of `token`. Raises TokenError, or ProtocolError (unavailable) before there is a key."""
        known = self._verified.find(token, self._now())
        if known is not None:
            return known
        try:
            principal = self._principal(self.claims(token))
        except (ValueError, OverflowError) as error:
            raise TokenError(str(error)) from None
        self._verified.keep(token, principal)
        return principal

    def claims(self, token: str) -> dict[str, Any]:
        """Return all claims of `token` after checking signature and times. Raises what `verify` raises."""
        if not self.ready:
            raise ProtocolError(ErrorCode.UNAVAILABLE)
        if len(token) > limits.MAX_TOKEN_CHARACTERS:
            raise TokenError("too long")
        if _COMPACT.fullmatch(token) is None:
            raise TokenError("not three parts of base64url without padding")
        try:
            key, algorithm = self._key_of(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options=self._options(),
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
            )
            self._expiry(claims["exp"])
            self._check_begun(claims)
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
            raise TokenError(str(error)) from None
        return claims

    async def refresh_forever(self) -> None:
        """Refresh the key set until cancelled. A failed fetch keeps the old keys. Returns at once when a secret is used."""
        url = self._settings.jwks_url
        if url is None:
            return
        while True:
            await self._fetch()
            await asyncio.sleep(self._settings.jwks_refresh_seconds if self._keys else 1)

    async def fetch_key_of(self, token: str) -> None:
        """Fetch the key set now when it doesn't have the key of `token`, for instance after a change of keys.

        Invented key ids cause at most one fetch in `KEY_SET_PAUSE_SECONDS`, which all waiting callers share.
        """
        if self._settings.jwks_url is None or not self._keys or self._knows_key_of(token):
            return
        if self._fetching is None and time.monotonic() >= self._fetch_again_at:
            self._fetching = asyncio.create_task(self._fetch())
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        url = str(self._settings.jwks_url)
        try:
            self._keys = await asyncio.to_thread(_fetch_keys, url)
            self._verified.forget()
        except (OSError, ValueError, RecursionError, HTTPException) as error:
            log.error("key_set.not_refreshed", url=url, error=repr(error))
        finally:
            self._fetch_again_at = time.monotonic() + KEY_SET_PAUSE_SECONDS
            self._fetching = None

    def _knows_key_of(self, token: str) -> bool:
        """Return False for a token with an unknown key. For an invalid token it returns True, because `verify` refuses it."""
        if len(token) > limits.MAX_TOKEN_CHARACTERS:
            return True
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError):
            return True
        return kid is None or kid in self._keys

    @property
    def ready(self) -> bool:
        """Return True when there is a key to verify with."""
        return self._secret is not None or bool(self._keys)

    def _options(self) -> Options:
        return {
            "require": ["exp", "sub"],
            # PyJWT compares times with this machine's clock, accepts texts, rounds down, and gives `exp` a leeway.
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": self._settings.jwt_audience is not None,
            "verify_iss": self._settings.jwt_issuer is not None,
        }

    def _key_of(self, token: str) -> tuple[Any, str]:
        if self._secret is not None:
            return self._secret, "HS256"
        kid = jwt.get_unverified_header(token).get("kid")
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid not in self._keys:
            raise TokenError("unknown key id")
        return self._keys[kid]

    def _check_begun(self, claims: dict[str, Any]) -> None:
        """Raise TokenError when `iat` or `nbf` isn't a time, or is in the future by more than the leeway."""
        for name in ("iat", "nbf"):
            at = claims.get(name, 0)
            if isinstance(at, bool) or not isinstance(at, int | float):
                raise TokenError(f"{name} is not a number")
            if not at <= self._now() + LEEWAY_SECONDS:
                raise TokenError(f"not valid yet ({name})")

    def _principal(self, claims: dict[str, Any]) -> Principal:
        subject = str(claims["sub"]).lower()
        if not is_uuid(subject):
            raise TokenError("sub is not a UUID")
        issued_at = claims.get("iat", 0)
        return Principal(
            user_id=subject,
            expires_at=self._expiry(claims["exp"]),
            issued_at=float(issued_at) if isinstance(issued_at, int | float) else 0.0,
            username=_name_of(claims, "preferred_username", subject) or _name_of(claims, "username", subject),
            name=_name_of(claims, "name", subject),
            picture=_picture_of(claims, subject),
        )

    def _expiry(self, exp: Any) -> float:
        """Return when a token expires, in Unix seconds.

        Raises TokenError when that is in the past, isn't a time, or is too far away.
        """
        if isinstance(exp, bool) or not isinstance(exp, int | float):
            raise TokenError("exp is not a number")
        now, longest = self._now(), self._settings.jwt_max_lifetime_seconds
        if exp <= now:
            raise TokenError("expired")
        # Not `exp > MAX_EXPIRES_AT`, which is false for NaN.
        if not exp <= MAX_EXPIRES_AT or (longest is not None and exp > now + longest):
            raise TokenError("exp is too far away")
        return float(exp)


def _name_of(claims: dict[str, Any], claim: str, subject: str) -> str | None:
    """Return a name from a claim, by the rules of `PATCH /chat/users/me`.

    Characters that names must not have are removed. A claim that is too long, blank or not a text is ignored, with a log line.
    """
    value = claims.get(claim)
    if value is None:
        return None
    name = without_forbidden(value) if isinstance(value, str) else ""
    if not name or len(name) > limits.MAX_USERNAME_CHARACTERS:
        reason = (
            f"longer than {limits.MAX_USERNAME_CHARACTERS} characters" if name else "no text with a visible character"
        )
        log.info("claim.ignored", claim=claim, user_id=subject, reason=reason)
        return None
    return name


def _picture_of(claims: dict[str, Any], subject: str) -> str | None:
    """Return the claim `picture`, by the rules of `PATCH /chat/users/me`."""
    value = claims.get("picture")
    if value is None:
        return None
    fault = avatar_fault(value) if isinstance(value, str) else "an avatar is a URL"
    if fault is not None:
        log.info("claim.ignored", claim="picture", user_id=subject, reason=fault)
        return None
    assert isinstance(value, str)
    return value


class _CheckedSecret(HMACAlgorithm):
    """HS256 with a secret that was checked once."""

    def prepare_key(self, key: str | bytes) -> bytes:
        """Return the secret. PyJWT would try with each token whether it is a public key, a certificate or JSON."""
        return key if isinstance(key, bytes) else super().prepare_key(key)


def _hmac_key(secret: str) -> jwt.PyJWK:
    """Return the secret as PyJWT's key object. With a secret that PyJWT refuses as a key, it refuses each token."""
    encoded = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    key = jwt.PyJWK({"kty": "oct", "k": encoded}, "HS256")
    with suppress(jwt.InvalidKeyError):
        key.Algorithm.prepare_key(key.key)
        key.Algorithm = _CheckedSecret(HMACAlgorithm.SHA256)
    return key


def _fetch_keys(url: str) -> dict[str, tuple[Any, str]]:
    """Return key id → (key, algorithm) of the signing keys at `url`. Blocking; raises OSError or ValueError."""
    body, until = b"", time.monotonic() + KEY_SET_TIMEOUT_SECONDS
    with urllib.request.urlopen(url, timeout=KEY_SET_TIMEOUT_SECONDS) as response:  # noqa: S310 - the operator's URL
        while part := response.read1(MAX_KEY_SET_BYTES):
            body += part
            if len(body) > MAX_KEY_SET_BYTES:
                raise ValueError("the key set is larger than 1 MiB")
            # The time-out of the socket is for each part. Handshakes with new keys wait for the whole.
            if time.monotonic() > until:
                raise TimeoutError("the key set comes too slowly")
    return _signing_keys(json.loads(body))


def _signing_keys(key_set: Any) -> dict[str, tuple[Any, str]]:
    """Return the keys of a JWK set (RFC 7517) that we can verify with; others are ignored.

    Raises ValueError when there are none.
    """
    entries = key_set.get("keys") if isinstance(key_set, dict) else None
    keys: dict[str, tuple[Any, str]] = {}
    for entry in entries if isinstance(entries, list) else []:
        try:
            algorithm = ASYMMETRIC_ALGORITHMS.get(entry.get("kty"))
            if algorithm and entry.get("use", "sig") == "sig" and entry.get("alg", algorithm) == algorithm:
                keys[str(entry.get("kid", ""))] = (jwt.PyJWK(entry, algorithm).key, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            log.warning("key_set.key_skipped", error=repr(error))
    if not keys:
        raise ValueError("the key set holds no signing key")
    return keys
