"""REST authentication: the same JWT as on the socket, in `Authorization: Bearer`."""

import asyncio
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope

from shared.auth import Principal, TokenError, TokenVerifier
from shared.auth.revocations import Revocations, refuse_if_revoked
from shared.directory import Directory, KnownUsers
from shared.rest.rate_limit import RateLimit, note
from shared.retry import is_transient

log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 3.0
"""How long both stores are asked about a token, before only PostgreSQL is."""
BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="JWT")


class Authenticator:
    """Verifies tokens, refuses revoked ones, and stores the user in the directory. Set as `app.state.authenticator`."""

    def __init__(
        self,
        verifier: TokenVerifier,
        revocations: Revocations,
        directory: Directory,
        rate_limit: RateLimit | None = None,
    ) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._users = KnownUsers(directory)
        self._rate_limit = rate_limit

    async def current_user(self, scope: Scope) -> Principal:
        """Return the user of an ASGI scope's request, and count it against the user's rate limit.

        Raises TokenError, ProtocolError (rate_limit_exceeded), and what redis and asyncpg raise when they are away.
        """
        try:
            principal = await self.verify(_authorization(scope))
            await self._admit(scope, principal)
        except TokenError as error:
            log.info("request.unauthorized", path=scope["path"], reason=error.reason)
            raise
        await self._users.ensure(principal)
        return principal

    async def verify(self, header: str | None) -> Principal:
        """Return the principal of an `Authorization` header. Raises TokenError."""
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise TokenError("no bearer token", missing=True)
        await self._verifier.fetch_key_of(token)
        return self._verifier.verify(token)

    async def _admit(self, scope: Scope, principal: Principal) -> None:
        """Count the request, and refuse a revoked token."""
        if self._rate_limit is None:
            await self._check(principal)
            return
        admission = await self._rate_limit.admit(principal.user_id, "Too many requests")
        if admission is None:
            await self._revocations.check_stored(principal, redis_away=True)
            return
        bucket, revoked_at = admission
        note(scope, bucket)
        if revoked_at is not None:
            refuse_if_revoked(principal, revoked_at)
        await self._revocations.check_stored(principal)

    async def _check(self, principal: Principal) -> None:
        """Refuse a revoked token, even while Redis is away."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._revocations.check(principal)
        except Exception as error:
            if not is_transient(error):
                raise
            await self._revocations.check_stored(principal, redis_away=True)


def _authorization(scope: Scope) -> str | None:
    """Return the first `Authorization` header (RFC 9110, section 11.6.2), as Starlette would."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value, "latin-1")
    return None


async def _current_user(
    request: Request, _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Principal:
    """Return the user of the request. `_scheme` is only for OpenAPI; the authenticator reads the header."""
    authenticator: Authenticator = request.app.state.authenticator
    return await authenticator.current_user(request.scope)


CurrentUser = Annotated[Principal, Depends(_current_user)]
"""The verified subject of the request; declares the security scheme in OpenAPI."""
