"""A bare WebSocket for contract tests: it sends what a test gives it, and keeps every event with its time."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Data

from shared.protocol.limits import TYPING_SECONDS

EXPECT_SECONDS: Final = 30.0
"""Far longer than anything takes, even on a busy machine: only a test that fails waits this long."""
SOCKET_PATH: Final = "/chat/ws"

Event = dict[str, Any]


@dataclass(slots=True)
class Received:
    """An event as it came. `at`: `time.monotonic()`; `claimed`: some `expect` has returned it."""

    at: float
    text: Data
    event: Event
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The HTTP answer to a handshake. `body` is its JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class RawSocket:
    """One WebSocket connection. Use as `async with await RawSocket.connect(...) as socket`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.received: list[Received] = []
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls,
        url: str,
        token: str | None,
        *,
        cursor: str | None = None,
        query: dict[str, str] | None = None,
        **options: Any,
    ) -> Self:
        """Connect to the service at `url` (http origin), the token in the Authorization header unless it is None.

        `options` go to websockets: `additional_headers`, `subprotocols`, `origin`, `ping_interval` … Raises InvalidStatus.
        """
        parameters = {**({} if cursor is None else {"cursor": cursor}), **(query or {})}
        headers = dict(options.pop("additional_headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        address = "ws" + url.removeprefix("http") + SOCKET_PATH + (f"?{urlencode(parameters)}" if parameters else "")
        settings: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": 1 << 24, "proxy": None}
        return cls(await connect(address, additional_headers=headers, **{**settings, **options}))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, event_type: str, /, **payload: Any) -> None:
        """Send an event."""
        await self.send_text(json.dumps({"type": event_type, "payload": payload}))

    async def send_text(self, text: str) -> None:
        """Send a text frame as it is."""
        await self.connection.send(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""
        await self.connection.send(data)

    async def expect(self, event_type: str, /, *, timeout: float = EXPECT_SECONDS, **payload: Any) -> Event:
        """The oldest event of this type that no `expect` returned yet, and whose payload has these fields.

        Waits for it. Fails with what came instead.
        """
        return await self.expect_event({"type": event_type, "payload": payload}, timeout=timeout)

    async def expect_error(self, code: str, /, *, timeout: float = EXPECT_SECONDS, **ref: Any) -> Event:
        """The oldest error with this code whose `ref` has these fields."""
        wanted: Event = {"type": "error", "error": {"code": code}, **({"ref": ref} if ref else {})}
        return await self.expect_event(wanted, timeout=timeout)

    async def expect_event(self, wanted: Event, *, timeout: float = EXPECT_SECONDS) -> Event:
        """The oldest event that no `expect` returned yet and that holds everything in `wanted`, at any depth."""
        try:
            async with asyncio.timeout(timeout):
                while (found := self._find(wanted)) is None:
                    if self._reader.done():
                        raise AssertionError(self._story(f"closed with {self.close_code} without {wanted}"))
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(self._story(f"no {wanted} in {timeout} s")) from None
        found.claimed = True
        return found.event

    async def refute(self, event_type: str, /, *, within: float, **payload: Any) -> None:
        """Fail when such an event comes within this many seconds, or has already come without being expected."""
        wanted = {"type": event_type, "payload": payload}
        try:
            async with asyncio.timeout(within):
                while (found := self._find(wanted)) is None:
                    await self._changed.wait()
        except TimeoutError:
            return
        raise AssertionError(self._story(f"unwanted {found.event}"))

    async def closed(self, timeout: float = EXPECT_SECONDS) -> int:
        """The close code, once the connection has ended. 1006: without a close frame (RFC 6455, section 7.1.5)."""
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._reader)
        except TimeoutError:
            raise AssertionError(self._story(f"still open after {timeout} s")) from None
        return self.close_code

    @property
    def close_code(self) -> int:
        """The close code; 1006 while the connection is open."""
        return self.connection.close_code or 1006

    @property
    def events(self) -> list[Event]:
        """All events so far, in order."""
        return [one.event for one in self.received]

    def of_type(self, event_type: str) -> list[Event]:
        """All events of a type so far, in order."""
        return [event for event in self.events if event["type"] == event_type]

    @property
    def cursor(self) -> str | None:
        """The cursor that a client would reconnect with: the last one that an event carried."""
        for event in reversed(self.events):
            if "cursor" in event:
                return str(event["cursor"])
            if event["type"] == "connection.success" and event["payload"]["recovered"] is not True:
                return str(event["payload"]["cursor"])
        return None

    async def close(self, code: int = 1000) -> None:
        """Close with a handshake."""
        await self.connection.close(code)
        await asyncio.gather(self._reader, return_exceptions=True)

    async def cut(self) -> None:
        """Break the TCP connection without a close frame."""
        self.connection.transport.abort()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for text in self.connection:
                self.received.append(Received(time.monotonic(), text, json.loads(text)))
                self._wake()
        except ConnectionClosed:
            return
        finally:
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _find(self, wanted: Event) -> Received | None:
        return next((one for one in self.received if not one.claimed and contains(one.event, wanted)), None)

    def _story(self, fault: str) -> str:
        lines = [f"  {'✓' if one.claimed else ' '} {str(one.event)[:300]}" for one in self.received]
        return "\n".join([fault, "received (✓ expected):", *lines])


async def refused(url: str, token: str | None, **options: Any) -> Refusal:
    """The HTTP answer to a handshake that must fail; the options are those of `RawSocket.connect`."""
    try:
        socket = await RawSocket.connect(url, token, **options)
    except InvalidStatus as error:
        response = error.response
        body = json.loads(response.body) if response.body else None
        return Refusal(
            response.status_code, {name.lower(): value for name, value in response.headers.raw_items()}, body
        )
    await socket.close()
    raise AssertionError("the handshake succeeded")


def contains(whole: Any, part: Any) -> bool:
    """True when `whole` has every field of `part`, at any depth of objects; other values must be equal."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], part[name]) for name in part)
    return bool(whole == part)


@asynccontextmanager
async def typing_on(socket: RawSocket, conversation: str) -> AsyncIterator[None]:
    """Send `typing.start` again and again, so that the indicator can't end by its age meanwhile, however slow the machine is."""

    async def repeat() -> None:
        with suppress(ConnectionClosed):
            while True:
                await socket.send("typing.start", conversationId=conversation)
                await asyncio.sleep(TYPING_SECONDS / 6)

    repeating = asyncio.create_task(repeat())
    try:
        yield
    finally:
        repeating.cancel()
        await asyncio.gather(repeating, return_exceptions=True)
