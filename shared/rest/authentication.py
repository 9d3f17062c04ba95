"""REST authentication: the same JWT as on the socket, in `Authorization: Bearer`."""

from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.auth import Principal, TokenError, TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.rest.rate_limit import Allowance, RateLimit, note

log = structlog.get_logger(__name__)

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
        self._directory = directory
        self._rate_limit = rate_limit

    async def principal_of(self, header: str | None) -> Principal:
        """Who sent an `Authorization` header. Raises TokenError; asyncpg's and redis' errors when those are away."""
        principal = await self.verify(header)
        await self.admit(principal)
        return principal

    async def verify(self, header: str | None) -> Principal:
        """Who an `Authorization` header names. Raises TokenError."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenError("no bearer token", missing=True)
        await self._verifier.fetch_key_of(token.strip())
        return self._verifier.verify(token.strip())

    async def count(self, principal: Principal) -> Allowance | None:
        """Count a request of this user. Raises ProtocolError (rate_limit_exceeded) when it has made too many."""
        if self._rate_limit is None:
            return None
        return await self._rate_limit.require(principal.user_id, "Too many requests")

    async def admit(self, principal: Principal) -> None:
        """Make the user known to the directory. Raises TokenError when the token was revoked."""
        await self._revocations.check(principal)
        await self._directory.ensure(principal)


async def _current_user(
    request: Request, _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Principal:
    """Who sent the request. `_scheme` is for OpenAPI only: the authenticator reads the header."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        principal = await authenticator.verify(request.headers.get("authorization"))
        allowance = await authenticator.count(principal)
        if allowance is not None:
            note(request.scope, allowance)
        await authenticator.admit(principal)
    except TokenError as error:
        log.info("request.unauthorized", path=request.url.path, reason=error.reason)
        raise
    return principal


CurrentUser = Annotated[Principal, Depends(_current_user)]
"""The verified subject of the request; declares the security scheme in OpenAPI."""
