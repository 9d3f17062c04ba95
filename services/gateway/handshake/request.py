"""Reads a handshake's request: the token (from one of three places), the origin, the cursor and the availability."""

from dataclasses import dataclass
from typing import Final, get_args

from starlette.datastructures import Headers, QueryParams

from shared.auth import Principal, TokenError, TokenVerifier
from shared.origins import AllowedOrigins
from shared.protocol.client import Availability
from shared.protocol.errors import ErrorCode, ProtocolError

SUBPROTOCOL: Final = "chat.v1"
_BEARER_SUBPROTOCOL: Final = "bearer."
_MANY_TOKENS: Final = "The request carries different tokens"
_STATUSES: Final = frozenset(get_args(Availability))
_UNKNOWN_STATUS: Final = f"status: one of {', '.join(sorted(_STATUSES))}"


@dataclass(frozen=True, slots=True)
class HandshakeRequest:
    """A request to connect, before its token is verified.

    `token` is None when it carries none. `status`: the availability that the device states, or ''.
    """

    token: str | None
    origin: str | None
    cursor: str | None
    offers_subprotocol: bool
    status: str = ""


def read_request(headers: Headers, query: QueryParams, *, query_token: bool) -> HandshakeRequest:
    """Parse an upgrade request.

    Raises ProtocolError (validation_error) when it carries two different tokens, or an unknown availability.
    """
    offered = [part.strip() for value in headers.getlist("sec-websocket-protocol") for part in value.split(",")]
    tokens = {part[len(_BEARER_SUBPROTOCOL) :] for part in offered if part.startswith(_BEARER_SUBPROTOCOL)}
    for value in headers.getlist("authorization"):
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() == "bearer":
            tokens.add(credentials.strip())
    if query_token:
        tokens.update(query.getlist("token"))
    tokens.discard("")
    if len(tokens) > 1:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, _MANY_TOKENS)
    status = query.get("status", "")
    if status and status not in _STATUSES:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, _UNKNOWN_STATUS)
    return HandshakeRequest(
        token=next(iter(tokens), None),
        origin=headers.get("origin"),
        cursor=query.get("cursor"),
        offers_subprotocol=SUBPROTOCOL in offered,
        status=status,
    )


class TokenCheck:
    """Checks origins and tokens."""

    def __init__(self, verifier: TokenVerifier, allowed_origins: list[str]) -> None:
        self._verifier = verifier
        self._origins = AllowedOrigins(allowed_origins)

    async def fetch_key(self, handshake_request: HandshakeRequest) -> None:
        """Fetch the issuer's keys when they lack the token's."""
        if handshake_request.token is not None:
            await self._verifier.fetch_key_of(handshake_request.token)

    def check(self, handshake_request: HandshakeRequest) -> Principal:
        """Return the principal.

        Raises ProtocolError (forbidden) for a foreign origin, TokenError for a bad or missing token, and ProtocolError
        (unavailable) while there is no key to verify with.
        """
        if handshake_request.origin is not None and not self._origins.allows(handshake_request.origin):
            raise ProtocolError(ErrorCode.FORBIDDEN)
        if handshake_request.token is None:
            raise TokenError("no token", missing=True)
        return self._verifier.verify(handshake_request.token)
