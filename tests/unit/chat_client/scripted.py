"""A server that does what a test tells it: the other end of the client's socket, and canned REST answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from anyio import fail_after
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

ALICE = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"
CONVERSATION = "33333333-3333-4333-8333-333333333333"
OTHER_CONVERSATION = "44444444-4444-4444-8444-444444444444"
STARTED = "2024-01-01T10:00:00.000Z"
LATER = "2024-01-01T11:00:00.000Z"


def message(seq: int, *, sender: str = BOB, conversation: str = CONVERSATION, at: str = LATER) -> dict[str, Any]:
    """A stored message."""
    return {
        "id": f"m{seq}",
        "conversationId": conversation,
        "seq": seq,
        "senderId": sender,
        "type": "text",
        "content": f"text {seq}",
        "media": [],
        "isRead": False,
        "readAt": None,
        "deliveredAt": None,
        "createdAt": at,
    }


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        assert connection.request is not None
        self.query = parse_qs(urlsplit(connection.request.path).query)
        self.authorization = connection.request.headers["Authorization"]

    async def welcome(self, recovered: bool | None = None, cursor: str = "c0", **more: Any) -> "Peer":
        """Send `connection.success`."""
        payload = {
            "userId": ALICE,
            "connectedAt": STARTED,
            "connectionId": "c",
            "recovered": recovered,
            "cursor": cursor,
            "heartbeatSeconds": 54,
            "maxMessageBytes": 524288,
            "expiresAt": LATER,
            "features": [],
            **more,
        }
        await self.send("connection.success", payload)
        return self

    async def send(self, event_type: str, payload: dict[str, Any], **more: Any) -> None:
        """Send an event; `more` are top-level fields such as `cursor`."""
        await self._connection.send(json.dumps({"type": event_type, "payload": payload, **more}))

    async def refuse(
        self, code: str, ref: dict[str, Any], *, retryable: bool, retry_after: float | None = None
    ) -> None:
        """Send an error object."""
        error = {"code": code, "message": code, "retryable": retryable}
        if retry_after is not None:
            error["retryAfter"] = retry_after
        await self._connection.send(json.dumps({"type": "error", "error": error, "ref": ref}))

    async def new(self, seq: int, cursor: str | None = None) -> None:
        """Send `message.new`."""
        more = {} if cursor is None else {"cursor": cursor}
        await self.send("message.new", {"message": message(seq), "unread": {"conversation": 1, "total": 1}}, **more)

    async def sent(self, seq: int, temp_id: str, conversation: str = CONVERSATION) -> None:
        """Send `message.sent`."""
        stored = message(seq, sender=ALICE, conversation=conversation)
        await self.send("message.sent", {"tempId": temp_id, "message": stored})

    async def receive(self, event_type: str) -> dict[str, Any]:
        """The payload of the client's next frame, which must be of this type."""
        with fail_after(60):
            frame = json.loads(await self._connection.recv())
        assert frame["type"] == event_type, frame
        payload: dict[str, Any] = frame["payload"]
        return payload

    async def close(self, code: int) -> None:
        """Close with a code."""
        await self._connection.close(code)

    def fall_silent(self) -> None:
        """Read nothing more: the client's pings are not answered either."""
        self._connection.transport.pause_reading()

    def cut(self) -> None:
        """Break the connection without a word."""
        self._connection.transport.abort()


class ScriptedServer:
    """`refusals` are the HTTP answers of the next handshakes, all with the body `refusal`.

    `rest` maps a path to its JSON, or to a function of the query. Bytes are sent as they are.
    """

    def __init__(self) -> None:
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.refusal: Any = {"type": "error", "error": {"code": "refused", "message": "no"}}
        self.rest: dict[str, Any] = {}
        self.requests: list[str] = []
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """The origin."""
        assert self._server is not None
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"http://{host}:{port}"

    async def accept(self) -> Peer:
        """The next connection."""
        with fail_after(60):
            return await self._peers.get()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedServer"]:
        """Serve on a free port."""
        async with serve(
            self._on_connection, "127.0.0.1", 0, process_request=self._on_request, close_timeout=1
        ) as server:
            self._server = server
            yield self

    async def _on_connection(self, connection: ServerConnection) -> None:
        self._peers.put_nowait(Peer(connection))
        await connection.wait_closed()

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        if parts.path == "/chat/ws":
            if not self.refusals:
                return None
            status, headers = self.refusals.pop(0)
            return _response(status, self.refusal, headers)
        self.requests.append(request.path)
        answer = self.rest[parts.path]
        if callable(answer):
            answer = answer({name: values[0] for name, values in parse_qs(parts.query).items()})
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return _response(status, body, {})


def _response(status: int, body: Any, headers: dict[str, str]) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close", **headers}
    return Response(status, HTTPStatus(status).phrase, Headers(fields), content)
