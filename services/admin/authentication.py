"""Authentication of calls by a service token: a JWT whose `scope` claim (RFC 8693, section 4.2) contains `chat.admin`."""

from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials
from starlette.types import Scope

from services.admin.audit import Call
from services.admin.settings import AdminSettings
from shared.auth import TokenError, TokenVerifier
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.authentication import BEARER
from shared.store_clock import StoreClock

log = structlog.get_logger(__name__)

SCOPE: Final = "chat.admin"
MOST_SUBJECT_CHARACTERS: Final = 255


class ServiceTokens:
    """Verifies service tokens. When they have a separate key set, a valid user's token gets 403 and not 401."""

    def __init__(self, settings: AdminSettings, clock: StoreClock) -> None:
        self._users = TokenVerifier(settings, clock.now)
        self._own: TokenVerifier | None = None
        if settings.admin_jwks_url is not None:
            own = settings.model_copy(update={"jwt_secret": None, "jwks_url": settings.admin_jwks_url})
            self._own = TokenVerifier(own, clock.now)

    @property
    def verifiers(self) -> list[TokenVerifier]:
        """Return the verifiers whose key sets must be refreshed."""
        return [self._users] if self._own is None else [self._users, self._own]

    def caller_of(self, header: str | None) -> tuple[str, bool]:
        """Return the `sub` of the token in an `Authorization` header, and whether it is a service token. Raises TokenError."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenError("no bearer token", missing=True)
        try:
            claims = (self._own or self._users).claims(token.strip())
        except TokenError:
            if self._own is None:
                raise
            # A user's token: its scope must not count, so that the answer is 403.
            claims = {**self._users.claims(token.strip()), "scope": None}
        subject = str(claims["sub"]).replace("\0", "")[:MOST_SUBJECT_CHARACTERS]
        return subject, SCOPE in _scopes(claims.get("scope"))


def _scopes(claim: object) -> list[str]:
    """Return the scopes of a claim. RFC 8693 has one text with spaces; some issuers send a list."""
    if isinstance(claim, str):
        return claim.split(" ")
    return [str(scope) for scope in claim] if isinstance(claim, list) else []


async def _authenticate(
    request: Request, _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> str:
    """Return the caller, after recording it in the audit log, before anything is done or refused."""
    tokens: ServiceTokens = request.app.state.service_tokens
    try:
        subject, allowed = tokens.caller_of(request.headers.get("authorization"))
    except TokenError as error:
        log.info("request.unauthorized", path=request.url.path, reason=error.reason)
        raise
    await call_of(request).begin(subject)
    if not allowed:
        raise ProtocolError(ErrorCode.FORBIDDEN, f"The token's scope doesn't contain {SCOPE}")
    return subject


class Callers:
    """Finds who sent a request whose body can't be parsed, as `CallingService` does for others."""

    async def current_user(self, scope: Scope) -> str:
        """Return the caller, after recording it. Raises ProtocolError."""
        return await _authenticate(Request(scope), None)


def call_of(request: Request) -> Call:
    """Return a request's `Call`, to add to its entry in the audit log."""
    call: Call = request.scope["call"]
    return call


CallingService = Annotated[str, Depends(_authenticate)]
"""The `sub` of the service token; declares the security scheme in OpenAPI."""
