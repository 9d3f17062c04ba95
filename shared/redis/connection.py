"""Redis' protocol (RESP 2) on one connection: commands are sent as they come, and replies come back in order.

It is for the hot path, where redis-py's pool, locks, retries and time-outs cost more than the command
(docs/decisions/0008-redis-on-the-hot-path.md). URLs have the same meaning as in redis-py.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, cast

import hiredis
from redis._parsers.base import BaseParser
from redis.asyncio.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0

Argument = str | bytes | int | float


class Broken(RedisConnectionError):
    """The connection broke before the answer came: whether the command ran is unknown."""


class Connection(asyncio.Protocol):
    """One connection, which doesn't reconnect. When a command has no answer after 5 s, the connection is dropped."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._replies = hiredis.Reader(replyError=BaseParser.parse_error)
        self._asked: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._error: RedisError = Broken("the connection to Redis was closed")
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when the connection has ended."""

    async def open(self, options: Mapping[str, Any]) -> None:
        """Connect to a server, authenticate, and select the database.

        Raises OSError, TimeoutError or RedisError. `options`: the result of redis-py's `parse_url`.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await _connect(self, options)
                for command in _greeting(options):
                    await self.ask(*command)
        except BaseException:
            self.abort()
            raise

    @property
    def usable(self) -> bool:
        """Return True while commands can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, *command: Argument) -> asyncio.Future[Any]:
        """Send a command. The future gets its reply, or RedisError; the caller may cancel it."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        if self._transport is None or self._transport.is_closing():
            reply.set_exception(self._error)
            return reply
        self._asked.append((reply, self._loop.time()))
        if self._watch is None:
            self._watch = self._loop.call_later(ANSWER_SECONDS, self._check)
        self.send(*command)
        return reply

    def send(self, *command: Argument) -> None:
        """Send a command whose reply isn't matched to a future."""
        assert self._transport is not None
        self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def on_reply(self, reply: Any) -> None:
        """Handle a reply (or an error reply), which belongs to the oldest waiting command."""
        waiting, _ = self._asked.popleft()
        if waiting.done():
            return
        if isinstance(reply, RedisError):
            waiting.set_exception(reply)
        else:
            waiting.set_result(reply)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to write to it."""
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the commands without an answer, and set `ended`."""
        self._transport = None
        if self._watch is not None:
            self._watch.cancel()
        for waiting, _ in self._asked:
            if not waiting.done():
                waiting.set_exception(self._error)
        self._asked.clear()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Parse replies, and handle those that are complete."""
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not False:
                self.on_reply(reply)
        except (hiredis.ProtocolError, IndexError):
            # It isn't Redis, or this is a reply without a command.
            self.abort()

    def _check(self) -> None:
        """Drop the connection when the oldest command has waited too long; else check again when it would have."""
        self._watch = None
        if not self._asked:
            return
        waited = self._loop.time() - self._asked[0][1]
        if waited < ANSWER_SECONDS:
            self._watch = self._loop.call_later(ANSWER_SECONDS - waited, self._check)
            return
        self._error = RedisTimeoutError(f"no answer from Redis in {ANSWER_SECONDS:.0f} s")
        self.abort()


def _greeting(options: Mapping[str, Any]) -> list[tuple[Argument, ...]]:
    commands: list[tuple[Argument, ...]] = []
    if options.get("password"):
        user = (options["username"],) if options.get("username") else ()
        commands.append(("AUTH", *user, options["password"]))
    if options.get("db"):
        commands.append(("SELECT", options["db"]))
    return commands


async def _connect(connection: Connection, options: Mapping[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    if "path" in options:
        await loop.create_unix_connection(lambda: connection, options["path"])
        return
    host, port = options.get("host", "localhost"), options.get("port", 6379)
    await loop.create_connection(lambda: connection, host, port, ssl=_tls(options))


def _tls(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """Return the TLS context for `rediss://` and its `ssl_` options; None without TLS."""
    kind = options.get("connection_class", object)
    if not issubclass(kind, SSLConnection):
        return None
    secure = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return cast("ssl.SSLContext", kind(**secure).ssl_context.get())
