"""A pub/sub subscription on one Redis server, as a bare protocol: every message that comes down passes here.

redis-py's own takes 60 µs a message more, and connects again silently, which hides that messages were missed. Here a
break ends the subscription, and whoever holds it knows.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError

CONNECT_SECONDS: Final = 2.0


class Subscription(asyncio.Protocol):
    """One connection in subscribed state. `on_message` gets each payload as it comes, in the transport's callback."""

    def __init__(self, on_message: Callable[[bytes], None]) -> None:
        self._on_message = on_message
        self._replies = hiredis.Reader()
        self._pending = 0
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the connection is gone."""

    async def open(self, url: str, topics: tuple[str, ...]) -> None:
        """Connect to the server of `url` and subscribe. Raises OSError, TimeoutError or redis' ConnectionError."""
        options = parse_url(url)
        handshake = _commands(options, topics)
        self._pending = len(handshake) - 1 + len(topics)
        async with asyncio.timeout(CONNECT_SECONDS):
            await _connect(self, options)
            assert self._transport is not None
            packed = (hiredis.pack_command(command) for command in handshake)  # type: ignore[arg-type]
            self._transport.write(b"".join(packed))
            await self._ready

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the transport."""
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport."""
        if not self._ready.done():
            self._ready.set_exception(RedisConnectionError(f"closed before it was subscribed: {exc!r}"))
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not False:
                if self._pending:
                    self._on_handshake(reply)
                elif reply[0] == b"message":
                    self._on_message(reply[2])
        except hiredis.ProtocolError:
            self.abort()

    def _on_handshake(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            if not self._ready.done():
                self._ready.set_exception(RedisConnectionError(str(reply)))
            self.abort()
            return
        self._pending -= 1
        if not self._pending and not self._ready.done():
            self._ready.set_result(None)


def _commands(options: Any, topics: tuple[str, ...]) -> list[tuple[str, ...]]:
    commands: list[tuple[str, ...]] = []
    if options.get("password"):
        user = (options["username"],) if options.get("username") else ()
        commands.append(("AUTH", *user, options["password"]))
    commands.append(("SUBSCRIBE", *topics))
    return commands


async def _connect(subscription: Subscription, options: Any) -> None:
    loop = asyncio.get_running_loop()
    if "path" in options:
        await loop.create_unix_connection(lambda: subscription, options["path"])
        return
    secure = issubclass(options.get("connection_class", object), SSLConnection)
    await loop.create_connection(
        lambda: subscription,
        options.get("host", "localhost"),
        options.get("port", 6379),
        ssl=ssl.create_default_context() if secure else None,
    )
