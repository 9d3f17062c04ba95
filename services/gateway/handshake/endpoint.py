"""`/chat/ws`: turns an upgrade request into a live connection, and answers a plain GET with the same verdict."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog
import uuid_utils
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway import metrics
from services.gateway.dispatcher import Dispatcher
from services.gateway.handshake.admission import Admission
from services.gateway.handshake.request import SUBPROTOCOL, TokenCheck, read_request
from services.gateway.rate_limit import Rate, RateLimit
from services.gateway.registry.connections import RecoveryResult
from services.gateway.registry.users import UserRegistration
from services.gateway.session.connection import Connection
from services.gateway.session.rules import Session
from services.gateway.settings import GatewaySettings
from services.gateway.transport.upgrade import EXTENSION
from services.gateway.transport.websocket_protocol import GatewayProtocol
from shared.auth import Principal, TokenError
from shared.auth.revocations import Revocations, refuse_if_revoked
from shared.media_hosts import MediaHosts
from shared.protocol import payloads, relay, server
from shared.protocol.codec import instant_of_ms, json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.redis import REDIS_ERRORS
from shared.rest.errors import error_response
from shared.rest.query_limit import query_fault

log = structlog.get_logger(__name__)

PATH: Final = "/chat/ws"
OPENING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class AcceptedHandshake:
    """A request that may connect.

    `cursor`: the last event that the client has seen, or None; `status`: its availability, or ''. `counted`: it is counted
    against the user's budget.
    """

    principal: Principal
    cursor: str | None
    subprotocol: str | None
    status: str
    counted: bool


class WebSocketEndpoint:
    """Answers handshakes."""

    def __init__(
        self,
        settings: GatewaySettings,
        dispatcher: Dispatcher,
        admission: Admission,
        token_check: TokenCheck,
        *,
        revocations: Revocations,
        user_registration: UserRegistration,
    ) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._admission = admission
        self._token_check = token_check
        self._revocations = revocations
        self._user_registration = user_registration
        self._rate = Rate(settings.events_per_second)
        self._media_hosts = MediaHosts(settings.media_allowed_hosts)

    async def judge(self, request: Request | WebSocket) -> AcceptedHandshake:
        """Check what `request` itself says.

        Raises ProtocolError, with the HTTP status of the response, when it may not connect.
        """
        fault = query_fault(request.scope["query_string"])
        if fault is not None:
            raise ProtocolError(ErrorCode.VALIDATION_ERROR, fault)
        handshake_request = read_request(request.headers, request.query_params, query_token=self._settings.query_token)
        # The token comes first: requests without one must not use up the handshakes of others.
        await self._token_check.fetch_key(handshake_request)
        principal = self._token_check.check(handshake_request)
        counted = await self._admission.admit(
            principal.user_id, time.monotonic(), returning=handshake_request.cursor is not None
        )
        subprotocol = SUBPROTOCOL if handshake_request.offers_subprotocol else None
        return AcceptedHandshake(principal, handshake_request.cursor, subprotocol, handshake_request.status, counted)

    async def verdict(self, request: Request) -> None:
        """Raise the ProtocolError with which an upgrade would be refused, if it would."""
        accepted = await self.judge(request)
        if not accepted.counted:
            await self._admission.count(accepted.principal.user_id)
        try:
            await self._revocations.check(accepted.principal)
        except REDIS_ERRORS as error:
            raise _unavailable(error) from None

    async def admit(self, websocket: WebSocket) -> None:
        """Answer an upgrade request with a live connection, or with an HTTP response that says why not."""
        try:
            accepted = await self.judge(websocket)
            async with asyncio.timeout(OPENING_SECONDS):
                connection, recovery_result, friends = await self._register(accepted)
        except ProtocolError as error:
            await websocket.send_denial_response(refusal(error))
        except TimeoutError as error:
            await websocket.send_denial_response(refusal(_unavailable(error)))
        else:
            await self._open(websocket, accepted, connection, recovery_result, friends)

    async def _register(
        self, accepted: AcceptedHandshake
    ) -> tuple[Connection, RecoveryResult, relay.FriendList | None]:
        """Register the connection here and in Redis, and read what its client missed.

        Also returns the user's friends, where Redis doesn't have them and the directory had to be asked.
        """
        principal = accepted.principal
        session = Session(
            principal.user_id,
            str(uuid_utils.uuid7()),
            RateLimit(self._rate),
            self._media_hosts,
            self._dispatcher.clock.now,
        )
        connection = Connection(self._dispatcher, session, principal)
        # Deliveries may come as soon as Redis has the route, before the script's answer: the hub must already have the
        # connection.
        self._dispatcher.hub.add(connection)
        try:
            recovery_result = await self._attach(accepted, connection)
            if recovery_result.revoked_at is not None:
                refuse_if_revoked(principal, recovery_result.revoked_at)
            await self._revocations.check_stored(principal)
            friends = await self._user_registration.register(principal, recovery_result.missing_friends)
        except REDIS_ERRORS as error:
            self._withdraw(connection)
            raise _unavailable(error) from None
        except BaseException:
            self._withdraw(connection)
            raise
        return connection, recovery_result, friends

    async def _attach(self, accepted: AcceptedHandshake, connection: Connection) -> RecoveryResult:
        try:
            return await self._dispatcher.registry.attach(
                connection.user_id, connection.id, accepted.cursor, count=not accepted.counted
            )
        except ProtocolError:
            self._admission.give_back()
            raise

    async def _open(
        self,
        websocket: WebSocket,
        accepted: AcceptedHandshake,
        connection: Connection,
        recovery_result: RecoveryResult,
        friends: relay.FriendList | None,
    ) -> None:
        protocol: GatewayProtocol = websocket.scope["extensions"][EXTENSION]["protocol"]
        if connection.close_code is not None:
            # An order to close came while the connection opened: it was replaced, or its token was revoked.
            self._withdraw(connection)
            await websocket.accept(subprotocol=accepted.subprotocol)
            await websocket.close(connection.close_code)
            return
        try:
            protocol.accept(accepted.subprotocol)
        except BaseException:
            self._withdraw(connection)
            raise
        if connection.open(protocol, self._welcome(accepted, connection, recovery_result), recovery_result):
            metrics.HANDSHAKES.labels("accepted").inc()
            log.debug("connection.opened", connection_id=connection.id, user_id=connection.user_id)
            self._dispatcher.on_opened(
                connection, accepted.status, missing_friends=recovery_result.missing_friends, friends=friends
            )
        else:
            self._withdraw(connection)

    def _withdraw(self, connection: Connection) -> None:
        """Undo what `_register` did."""
        if self._dispatcher.hub.remove(connection):
            self._dispatcher.registry.detach(connection.user_id, connection.id)

    def _welcome(self, accepted: AcceptedHandshake, connection: Connection, recovery_result: RecoveryResult) -> bytes:
        # A client that leaves before it got its replay must not count it as read.
        replayed_from = accepted.cursor if recovery_result.recovered else None
        payload = payloads.ConnectionSuccessPayload(
            user_id=connection.user_id,
            connected_at=instant_of_ms(self._dispatcher.clock.now_ms()),
            connection_id=connection.id,
            recovered=recovery_result.recovered,
            cursor=replayed_from or recovery_result.cursor,
            heartbeat_seconds=_whole(self._settings.ping_seconds),
            max_message_bytes=self._settings.max_frame_bytes,
            expires_at=instant_of_ms(int(connection.deadlines.expires_at * 1000)),
            features=self._dispatcher.features.names,
        )
        return json_encoder.encode(server.ConnectionSuccess(payload))


def _unavailable(error: Exception) -> ProtocolError:
    log.warning("handshake.not_registered", error=repr(error))
    return ProtocolError(ErrorCode.UNAVAILABLE)


def _whole(seconds: float) -> float:
    """Return an int where that is the same number: 54 instead of 54.0."""
    return int(seconds) if seconds.is_integer() else seconds


def refusal(error: ProtocolError) -> JSONResponse:
    """Return the HTTP response to a refused handshake, and count it."""
    reason = error.reason if isinstance(error, TokenError) else error.event.error.message
    log.info("handshake.refused", code=error.code, reason=reason)
    metrics.HANDSHAKES.labels(error.code).inc()
    response = error_response(error)
    if error.code is ErrorCode.VALIDATION_ERROR:
        # 422 is for bodies. A handshake has none: the request itself is wrong, so it is 400.
        response.status_code = 400
    return response


def add_websocket(app: FastAPI, endpoint: WebSocketEndpoint) -> ASGIApp:
    """Add `/chat/ws` for plain requests. Returns the app to serve, which takes upgrades of this path past all middleware.

    The middleware is for HTTP, and the framework's path to a WebSocket costs as much as the check of the token's signature.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"] == PATH:
            await endpoint.admit(WebSocket(scope, receive, send))
        else:
            await app(scope, receive, send)

    @app.get(PATH, include_in_schema=False)
    async def verdict(request: Request) -> Response:
        """Answer as an upgrade would be answered, for browsers, which can't read the response to a failed handshake."""
        try:
            await endpoint.verdict(request)
        except ProtocolError as error:
            return refusal(error)
        welcome = error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, "You may connect: send an upgrade request"))
        welcome.status_code = 426
        welcome.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
        return welcome

    return serve
