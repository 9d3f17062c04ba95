"""REST authentication: the same JWT as on the socket, in `Authorization: Bearer`."""

from typing import Annotated

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.auth import Principal, TokenError, TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory

log = structlog.get_logger(__name__)

BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="JWT")


class Authenticator:
    """Verifies tokens, refuses revoked ones, and stores the user in the directory. Set as `app.state.authenticator`."""

    def __init__(self, verifier: TokenVerifier, revocations: Revocations, directory: Directory) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._directory = directory

    async def principal_of(self, header: str | None) -> Principal:
        """Who sent an `Authorization` header. Raises TokenError; asyncpg's and redis' errors when those are away."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise TokenError("no bearer token")
        await self._verifier.fetch_key_of(token.strip())
        principal = self._verifier.verify(token.strip())
        await self._revocations.check(principal)
        await self._directory.ensure(principal)
        return principal


async def _current_user(
    request: Request, _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
) -> Principal:
    """Who sent the request. `_scheme` is for OpenAPI only: the authenticator reads the header."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        return await authenticator.principal_of(request.headers.get("authorization"))
    except TokenError as error:
        log.info("request.unauthorized", path=request.url.path, reason=error.reason)
        raise


CurrentUser = Annotated[Principal, Depends(_current_user)]
"""The verified subject of the request; declares the security scheme in OpenAPI."""
