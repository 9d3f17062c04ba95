"""TCP in between, that can be told to misbehave: refuse, lie, cut, delay, or swallow everything."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 1 << 16
LIE = b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 5000\r\n\r\n<html>Bad gat"
"""An answer that isn't the server's, and breaks off."""


@dataclass(eq=False)
class Connection:
    """Both ends of one connection. `stranded`: everything that arrives is dropped silently."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    stranded: bool = False

    def abort(self) -> None:
        """End it with a reset, at both ends."""
        self.client.transport.abort()
        self.server.transport.abort()


@dataclass
class Proxy:
    """Passes connections on to `host:port`. `delay_seconds`: how long each chunk waits, in either direction.

    `refusing`: new connections are ended at once. `lying`: they get an answer that isn't the server's.
    """

    host: str
    port: int
    delay_seconds: float = 0.0
    refusing: bool = False
    lying: bool = False
    listening_port: int = 0
    _connections: set[Connection] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @classmethod
    def to(cls, url: str) -> Self:
        """A proxy to where `url` points."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

    def url(self, url: str) -> str:
        """`url`, by way of this proxy."""
        parts = urlsplit(url)
        userinfo, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{userinfo}{at}127.0.0.1:{self.listening_port}"))

    async def start(self, port: int) -> None:
        """Listen on `port`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.listening_port = port

    async def stop(self) -> None:
        """End everything."""
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections; new ones are possible."""
        for connection in list(self._connections):
            connection.abort()

    def strand(self) -> None:
        """Leave all connections half open: they look alive, and nothing comes through them ever again."""
        for connection in self._connections:
            connection.stranded = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            # Also when the proxy stops: asyncio's stream server reports a cancelled handler as an error.
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            return
        if self.lying:
            await reader.read(CHUNK_BYTES)
            writer.write(LIE)
            await writer.drain()
            return
        server_reader, server_writer = await asyncio.open_connection(self.host, self.port)
        connection = Connection(writer, server_writer)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, server_writer, connection))
                pumps.create_task(self._pump(server_reader, writer, connection))
        finally:
            self._connections.discard(connection)
            connection.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if connection.stranded:
                    continue
                writer.write(data)
                await writer.drain()
            if connection.stranded:
                # The other end mustn't learn of it.
                await asyncio.Event().wait()
            if writer.can_write_eof():
                writer.write_eof()
