"""`/chat/ws`: from an upgrade request to a live connection, and the same verdict for a plain GET."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog
import uuid_utils
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, Response

from services.gateway import metrics
from services.gateway.admission import Admission
from services.gateway.allowance import Allowance, Rate
from services.gateway.connection import Connection
from services.gateway.gateway import Gateway
from services.gateway.handshake import SUBPROTOCOL, Doorkeeper, read_request
from services.gateway.introductions import Introductions
from services.gateway.media import MediaHosts
from services.gateway.protocol import EXTENSION, GatewayProtocol
from services.gateway.routes import Resumption
from services.gateway.session import Session
from services.gateway.settings import GatewaySettings
from shared.auth import Principal, TokenError
from shared.auth.revocations import Revocations
from shared.protocol import limits, payloads, server
from shared.protocol.codec import instant_of_ms, json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.redis import TRANSIENT_ERRORS, RedisError
from shared.rest.errors import error_response

log = structlog.get_logger(__name__)

PATH: Final = "/chat/ws"
OPENING_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may connect. `cursor` is what the client has seen last, or None."""

    principal: Principal
    cursor: str | None
    subprotocol: str | None


class Entrance:
    """Lets clients in."""

    def __init__(
        self,
        settings: GatewaySettings,
        gateway: Gateway,
        admission: Admission,
        doorkeeper: Doorkeeper,
        *,
        revocations: Revocations,
        introductions: Introductions,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._admission = admission
        self._doorkeeper = doorkeeper
        self._revocations = revocations
        self._introductions = introductions
        self._rate = Rate(settings.events_per_second)
        self._media_hosts = MediaHosts(settings.media_allowed_hosts)

    def judge(self, request: Request | WebSocket) -> Visitor:
        """Whether `request` may connect, as far as it says itself. Raises ProtocolError with the HTTP status to answer."""
        applicant = read_request(request.headers, request.query_params, query_token=self._settings.query_token)
        # First the token: who has none must not use up the handshakes of those who have one.
        principal = self._doorkeeper.check(applicant)
        self._admission.admit(time.monotonic(), returning=applicant.cursor is not None)
        return Visitor(principal, applicant.cursor, SUBPROTOCOL if applicant.offers_subprotocol else None)

    async def verdict(self, request: Request) -> None:
        """What an upgrade would be told. Raises ProtocolError."""
        visitor = self.judge(request)
        try:
            if await self._revocations.is_revoked(visitor.principal):
                raise TokenError("revoked")
        except (*TRANSIENT_ERRORS, RedisError) as error:
            raise _unavailable(error) from None

    async def admit(self, websocket: WebSocket) -> None:
        """Serve an upgrade request: a live connection, or an HTTP response that says why not."""
        try:
            visitor = self.judge(websocket)
            async with asyncio.timeout(OPENING_SECONDS):
                connection, resumption = await self._register(visitor)
        except ProtocolError as error:
            await websocket.send_denial_response(refusal(error))
        except TimeoutError as error:
            await websocket.send_denial_response(refusal(_unavailable(error)))
        else:
            await self._open(websocket, visitor, connection, resumption)

    async def _register(self, visitor: Visitor) -> tuple[Connection, Resumption]:
        """Make the connection known everywhere, and read what its client missed."""
        principal = visitor.principal
        session = Session(
            principal.user_id, str(uuid_utils.uuid7()), Allowance(self._rate), self._media_hosts, time.time
        )
        connection = Connection(self._gateway, session, principal)
        # Deliveries may come as soon as the route stands, before its script's answer: the hub must know whom for.
        self._gateway.hub.add(connection)
        try:
            resumption = await self._gateway.routes.attach(principal.user_id, connection.id, visitor.cursor)
            _refuse_revoked(principal, resumption)
            await self._introductions.introduce(principal)
        except (*TRANSIENT_ERRORS, RedisError) as error:
            self._withdraw(connection)
            raise _unavailable(error) from None
        except BaseException:
            self._withdraw(connection)
            raise
        return connection, resumption

    async def _open(
        self, websocket: WebSocket, visitor: Visitor, connection: Connection, resumption: Resumption
    ) -> None:
        protocol: GatewayProtocol = websocket.scope["extensions"][EXTENSION]["protocol"]
        try:
            await websocket.accept(subprotocol=visitor.subprotocol)
        except BaseException:
            self._withdraw(connection)
            raise
        if connection.close_code is not None:
            # An order came while it opened: it was replaced or revoked.
            self._withdraw(connection)
            await websocket.close(connection.close_code)
        elif connection.open(protocol, self._welcome(connection, resumption), resumption):
            metrics.HANDSHAKES.labels("accepted").inc()
            log.debug("connection.opened", connection_id=connection.id, user_id=connection.user_id)
            self._gateway.on_opened(connection)
        else:
            self._withdraw(connection)

    def _withdraw(self, connection: Connection) -> None:
        """Undo what `_register` did."""
        if self._gateway.hub.remove(connection):
            self._gateway.routes.detach(connection.user_id, connection.id)

    def _welcome(self, connection: Connection, resumption: Resumption) -> bytes:
        payload = payloads.ConnectionSuccessPayload(
            user_id=connection.user_id,
            connected_at=instant_of_ms(int(time.time() * 1000)),
            connection_id=connection.id,
            recovered=resumption.recovered,
            cursor=resumption.cursor,
            heartbeat_seconds=_whole(self._settings.ping_seconds),
            max_message_bytes=limits.MAX_FRAME_BYTES,
            expires_at=instant_of_ms(int(connection.expires_at * 1000)),
        )
        return json_encoder.encode(server.ConnectionSuccess(payload))


def _refuse_revoked(principal: Principal, resumption: Resumption) -> None:
    """Raises TokenError when the token was issued before its user was revoked."""
    if resumption.revokes(principal.issued_at):
        raise TokenError("revoked")


def _unavailable(error: Exception) -> ProtocolError:
    log.warning("handshake.redis_unavailable", error=repr(error))
    return ProtocolError(ErrorCode.UNAVAILABLE)


def _whole(seconds: float) -> float:
    """54 rather than 54.0 where that is the same."""
    return int(seconds) if seconds.is_integer() else seconds


def refusal(error: ProtocolError) -> JSONResponse:
    """The HTTP response to a refused handshake, counted."""
    reason = error.reason if isinstance(error, TokenError) else error.event.error.message
    log.info("handshake.refused", code=error.code, reason=reason)
    metrics.HANDSHAKES.labels(error.code).inc()
    response = error_response(error)
    if error.code is ErrorCode.VALIDATION_ERROR:
        # A handshake isn't a body that could be unprocessable: the request itself is wrong.
        response.status_code = 400
    return response


def add_websocket(app: FastAPI, entrance: Entrance) -> None:
    """Add `/chat/ws`, for upgrades and for plain requests."""

    @app.websocket(PATH)
    async def connect(websocket: WebSocket) -> None:
        await entrance.admit(websocket)

    @app.get(PATH, include_in_schema=False)
    async def verdict(request: Request) -> Response:
        """What an upgrade would be told: a browser can't read a failed handshake."""
        try:
            await entrance.verdict(request)
        except ProtocolError as error:
            return refusal(error)
        welcome = error_response(ProtocolError(ErrorCode.VALIDATION_ERROR, "You may connect: send an upgrade request"))
        welcome.status_code = 426
        welcome.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
        return welcome
