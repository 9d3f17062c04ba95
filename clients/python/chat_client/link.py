"""Keeps one socket alive: connects, resumes from the cursor, backs off, renews the token, and stops when retries can't help."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from anyio import fail_after
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.http11 import Response
from websockets.typing import Subprotocol

from chat_client.advice import (
    REFUSED_BEFORE_STOP_SECONDS,
    Advice,
    Random,
    after_close,
    after_refusal,
    parse_retry_after,
)
from chat_client.errors import ClientClosed, ConnectionLost, FrameTooBig
from chat_client.resources import Availability
from chat_client.tokens import Tokens

log = logging.getLogger(__name__)

SOCKET_PATH: Final = "/chat/ws"
SUBPROTOCOL: Final = Subprotocol("chat.v1")
OPEN_SECONDS: Final = 10
MAX_EVENT_BYTES: Final = 1 << 22
STABLE_SECONDS: Final = 10.0
"""After a connection that lasted this long, the next failure starts with a short delay again."""
PING_SECONDS: Final = 20.0
"""How often the client pings, to notice a dead network itself. The server pings too."""

REFRESH_SECONDS: Final = 5.0
"""Least time between two refreshes on one connection: the server announces the end of a short-lived token at once."""

PROBE_SECONDS: Final = 10.0
"""How long `probe` waits for an answer."""

OnFrame = Callable[[dict[str, Any]], None]
OnLost = Callable[[int | None, Advice], None]


class Link:
    """One connection at a time. `on_frame` gets every frame, `on_lost` the reason and the advice after a loss."""

    def __init__(self, url: str, tokens: Tokens, random: Random, on_frame: OnFrame, on_lost: OnLost) -> None:
        self._url = "ws" + url.removeprefix("http") + SOCKET_PATH
        self._tokens = tokens
        self._random = random
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._socket: ClientConnection | None = None
        self._changed = asyncio.Event()
        self._end: ClientClosed | None = None
        self._max_frame_bytes = 1 << 19
        self._attempt = 0
        self._refusals = 0
        self._refused_since = 0.0
        self._was_open = False
        self._opened_at: float | None = None
        self._token = ""
        self._refreshed_at = 0.0
        self._refreshing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self.cursor: str | None = None
        self.availability: Availability = "online"

    @property
    def is_open(self) -> bool:
        """Return True between `connection.success` and the loss of the connection."""
        return self._socket is not None

    async def wait_open(self) -> None:
        """Return when the connection is open. Raises ClientClosed when there will be none."""
        while self._socket is None:
            if self._end is not None:
                raise self._end
            await self._changed.wait()

    async def send(self, event_type: str, payload: dict[str, Any]) -> None:
        """Write a frame to the open connection. Raises ConnectionLost when there is none, FrameTooBig."""
        text = json.dumps({"type": event_type, "payload": payload}, ensure_ascii=False, separators=(",", ":"))
        if len(text.encode()) > self._max_frame_bytes:
            raise FrameTooBig(f"The server takes {self._max_frame_bytes} bytes")
        socket = self._socket
        if socket is None:
            raise ConnectionLost("There is no connection")
        try:
            await socket.send(text)
        except ConnectionClosed as error:
            if self._socket is socket:
                # The reader notices the loss a little later; until then a retry must wait instead of spinning.
                self._socket = None
            raise ConnectionLost(str(error)) from error

    def probe(self) -> None:
        """Check the open connection after a missing answer, and drop it when it doesn't work."""
        if self._socket is not None and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe(self._socket), name="chat-client-probe")

    async def run(self) -> ClientClosed:
        """Connect and reconnect until the server refuses reconnects; returns why."""
        while True:
            code, advice = await self._connect_once()
            if advice.stop:
                return ClientClosed(advice.reason, code)
            self._on_lost(code, advice)
            await asyncio.sleep(advice.delay_seconds)
            if advice.renew:
                await self._renew()

    def finish(self, reason: ClientClosed) -> None:
        """End all waiting for a connection with `reason`."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._end = reason
        self._wake()

    async def _connect_once(self) -> tuple[int | None, Advice]:
        """Run one socket from handshake to end. Returns its close code or HTTP status, and what to do next."""
        attempt = self._attempt
        self._attempt += 1
        status: int | None = None
        retry_after: float | None = None
        try:
            socket = await self._handshake()
        except InvalidStatus as refusal:
            status = _status_of(refusal.response)
            retry_after = parse_retry_after(refusal.response.headers.get("Retry-After"))
        except (OSError, asyncio.TimeoutError, InvalidHandshake, InvalidMessage, ConnectionClosed) as error:
            # Before Python 3.11, asyncio's TimeoutError is neither the built-in one nor an OSError.
            log.debug("The server can't be reached: %r", error)
        except Exception:
            # The application's token provider may fail too.
            log.exception("No token could be had")
        else:
            return await self._live(socket, attempt)
        self._refusals = self._refusals + 1 if status == 401 else 0
        now = time.monotonic()
        if self._refusals == 1:
            self._refused_since = now
        # A client that was never connected learns at once that its token is refused.
        may_pass = self._was_open and now - self._refused_since < REFUSED_BEFORE_STOP_SECONDS
        return status, after_refusal(status, retry_after, attempt, self._refusals, self._random, may_pass=may_pass)

    async def _handshake(self) -> ClientConnection:
        self._token = token = await self._tokens.get()
        asked = {"cursor": self.cursor, "status": None if self.availability == "online" else self.availability}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return await connect(
            f"{self._url}?{query}" if query else self._url,
            additional_headers={"Authorization": f"Bearer {token}"},
            subprotocols=[SUBPROTOCOL],
            compression=None,
            open_timeout=OPEN_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            close_timeout=2,
            max_size=MAX_EVENT_BYTES,
        )

    async def _live(self, socket: ClientConnection, attempt: int) -> tuple[int, Advice]:
        self._refusals = 0
        self._opened_at = None
        self._refreshed_at = float("-inf")
        # Something else than the gateway may have accepted the upgrade.
        opening = asyncio.get_running_loop().call_later(OPEN_SECONDS, self._require_open, socket)
        try:
            async for text in socket:
                self._take(socket, text)
        except ConnectionClosed as error:
            log.debug("The connection ended: %s", error)
        finally:
            opening.cancel()
            self._socket = None
            if self._probing is not None:
                self._probing.cancel()
            await socket.close()
        code = socket.close_code or 1006
        if self._is_stable:
            self._attempt, attempt = 1, 0
        return code, after_close(code, attempt, self._random)

    @property
    def _is_stable(self) -> bool:
        return self._opened_at is not None and time.monotonic() - self._opened_at >= STABLE_SECONDS

    def _require_open(self, socket: ClientConnection) -> None:
        if self._opened_at is None:
            socket.transport.abort()

    async def _probe(self, socket: ClientConnection) -> None:
        try:
            with fail_after(PROBE_SECONDS):
                await (await socket.ping())
        except TimeoutError:
            # A close handshake would get no answer either.
            socket.transport.abort()
        except ConnectionClosed:
            pass  # The reader reports the end.

    def _take(self, socket: ClientConnection, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
            event_type = frame["type"]
        except (ValueError, TypeError, KeyError):
            log.warning("The server sent what is not an event: %.100r", text)
            return
        if event_type == "connection.success":
            self._opened(socket, frame["payload"])
        self._on_frame(frame)
        # Only now: an event counts as seen when the application has it.
        self.cursor = frame.get("cursor", self.cursor)
        if event_type == "auth.expiring":
            self._refreshing = asyncio.create_task(self._refresh(socket), name="chat-client-refresh")

    def _opened(self, socket: ClientConnection, payload: dict[str, Any]) -> None:
        # With `recovered` true, the missed events follow, each with its own cursor. If we stored this cursor now, events would be
        # lost when this socket breaks before they arrive.
        if payload.get("recovered") is not True:
            self.cursor = payload.get("cursor")
        self._max_frame_bytes = payload.get("maxMessageBytes", self._max_frame_bytes)
        self._socket = socket
        self._opened_at = time.monotonic()
        self._was_open = True
        self._wake()

    async def _refresh(self, socket: ClientConnection) -> None:
        """Send a newer token. Without one, the server closes with 4401, and the next connect asks for a token again."""
        await asyncio.sleep(self._refreshed_at + REFRESH_SECONDS - time.monotonic())
        if self._socket is not socket or not await self._renew():
            return
        token = await self._tokens.get()
        if token == self._token:
            # The server would answer it by announcing its end again.
            return
        self._token, self._refreshed_at = token, time.monotonic()
        try:
            await self.send("auth.refresh", {"token": token})
        except ConnectionLost:
            log.debug("The connection broke before its token was renewed")

    async def _renew(self) -> bool:
        try:
            await self._tokens.renew()
        except Exception:
            # The application's token provider failed. The next connect uses the old token, and backs off.
            log.exception("No new token could be had")
            return False
        return True

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _status_of(response: Response) -> int | None:
    """Return the status of a refused handshake; None when a proxy answered in the server's place."""
    if response.status_code in {400, 403}:
        try:
            json.loads(response.body)["error"]
        except (ValueError, TypeError, KeyError):
            return None
    return response.status_code
