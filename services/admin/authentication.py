"""Who may call: a service token, a JWT whose `scope` claim (RFC 8693, section 4.2) contains `chat.admin`."""

from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

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
    """Verifies service tokens. With a key set of their own, a user's token is known as such and forbidden, not unauthorized."""

    def __init__(self, settings: AdminSettings, clock: StoreClock) -> None:
        self._users = TokenVerifier(settings, clock.now)
        self._own: TokenVerifier | None = None
        if settings.admin_jwks_url is not None:
            own = settings.model_copy(update={"jwt_secret": None, "jwks_url": settings.admin_jwks_url})
            self._own = TokenVerifier(own, clock.now)

    @property
    def verifiers(self) -> list[TokenVerifier]:
        """Whose key sets are to be kept fresh."""
        return [self._users] if self._own is None else [self._users, self._own]

    def caller_of(self, header: str | None) -> tuple[str, bool]:
        """Whose token an `Authorization` header has, and whether it is a service's. Raises TokenError."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenError("no bearer token", missing=True)
        try:
            claims = (self._own or self._users).claims(token.strip())
        except TokenError:
            if self._own is None:
                raise
            claims = {**self._users.claims(token.strip()), "scope": None}
        subject = str(claims["sub"]).replace("\0", "")[:MOST_SUBJECT_CHARACTERS]
        return subject, SCOPE in _scopes(claims.get("scope"))


def _scopes(claim: object) -> list[str]:
    """RFC 8693 has one text with blanks; some issuers send a list."""
    if isinstance(claim, str):
        return claim.split(" ")
    return [str(scope) for scope in claim] if isinstance(claim, list) else []


async def _calling_service(
    request: Request, _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> str:
    """Who calls, written into the audit log before anything is done or refused."""
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


def call_of(request: Request) -> Call:
    """The call that a request is, for what the audit log is to say of it."""
    call: Call = request.scope["call"]
    return call


CallingService = Annotated[str, Depends(_calling_service)]
"""The `sub` of the service token; declares the security scheme in OpenAPI."""
