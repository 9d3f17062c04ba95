"""`auth.refresh`: a newer token of the same subject replaces a connection's token."""

import asyncio
import uuid
from typing import Final

import structlog

from services.gateway.registry.users import UserRegistration
from services.gateway.session.connection import Connection
from services.gateway.session.heartbeat import Heartbeat
from shared.auth import Principal, TokenError, TokenVerifier
from shared.auth.revocations import Revocations
from shared.protocol import client, payloads, server
from shared.protocol.codec import instant_of_ms, json_encoder
from shared.protocol.errors import ErrorCode, ErrorReference, error_event
from shared.redis import REDIS_ERRORS

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 10_000
_REFERENCE: Final = ErrorReference(server.event_type(client.AuthRefresh))


class TokenRefresh:
    """Verifies new tokens one after another, in a task of its own, so that no connection waits while it reads."""

    def __init__(
        self,
        verifier: TokenVerifier,
        revocations: Revocations,
        user_registration: UserRegistration,
        heartbeat: Heartbeat,
    ) -> None:
        self._verifier = verifier
        self._user_registration = user_registration
        self._revocations = revocations
        self._heartbeat = heartbeat
        self._waiting: asyncio.Queue[tuple[Connection, str]] = asyncio.Queue(MAX_WAITING)

    def ask(self, connection: Connection, token: str) -> None:
        """Verify `token` soon, and answer `connection`."""
        if self._waiting.full():
            self._fail(connection, "too many tokens wait to be checked")
        else:
            self._waiting.put_nowait((connection, token))

    async def run(self) -> None:
        """Answer requests as they come. Never returns."""
        while True:
            await self._answer(*await self._waiting.get())

    async def _answer(self, connection: Connection, token: str) -> None:
        try:
            principal = await self._verify(connection, token)
        except TokenError as error:
            log.info("token.refused", connection_id=connection.id, user_id=connection.user_id, reason=error.reason)
            _refuse(connection, ErrorCode.UNAUTHORIZED)
        except REDIS_ERRORS as error:
            self._fail(connection, repr(error))
        else:
            self._accept(connection, principal)

    def _fail(self, connection: Connection, reason: str) -> None:
        """Say that the token could not be checked. The message names the log line."""
        error_id = uuid.uuid4().hex
        log.warning("token.not_checked", error_id=error_id, connection_id=connection.id, error=reason)
        _refuse(connection, ErrorCode.INTERNAL_ERROR, f"Internal error {error_id}")

    async def _verify(self, connection: Connection, token: str) -> Principal:
        await self._verifier.fetch_key_of(token)
        principal = self._verifier.verify(token)
        if principal.user_id != connection.user_id:
            raise TokenError("another subject")
        await self._revocations.check(principal)
        return principal

    def _accept(self, connection: Connection, principal: Principal) -> None:
        connection.renew(principal)
        self._user_registration.register_soon(principal)
        if connection.is_open:
            self._heartbeat.plan(connection)
        ends = payloads.AuthPayload(instant_of_ms(int(principal.expires_at * 1000)))
        connection.send(json_encoder.encode(server.AuthRefreshed(ends)))


def _refuse(connection: Connection, code: ErrorCode, message: str | None = None) -> None:
    connection.send(json_encoder.encode(error_event(code, message, ref=_REFERENCE)))
