"""A real Redis behind a proxy that can answer every command with an error, with the texts of this and of older versions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import hiredis

IN_AN_OLD_SCRIPT: Final = "ERR Error running script (call to f_2f5c): @user_script:7: @user_script: 7: -{}"
"""How Redis before 7 reports an error inside a script."""
_TEXTS: Final = (
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "NOREPLICAS Not enough good replicas to write.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "READONLY You can't write against a read only replica.",
    "LOADING Redis is loading the dataset in memory",
)
PASSING_ERRORS: Final = (*_TEXTS, *(IN_AN_OLD_SCRIPT.format(text) for text in _TEXTS[:4]))
"""Errors of a server that will serve again later."""
_OF_THE_CONNECTION: Final = {b"AUTH", b"CLIENT", b"HELLO", b"SELECT", b"SUBSCRIBE", b"SSUBSCRIBE"}


class Passing:
    """The commands of one connection that the server has not answered yet: a refusal must not come before their answers."""

    def __init__(self) -> None:
        self.subscribed = False
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    def began(self, name: bytes) -> None:
        """A command was passed on."""
        self.subscribed = self.subscribed or name.endswith(b"SUBSCRIBE")
        self._open += 1
        self._none_open.clear()

    def ended(self) -> None:
        """An answer came, or a message of a subscription."""
        self._open -= 1
        if self._open <= 0:
            self._none_open.set()

    async def answered(self) -> None:
        """Wait until all are answered."""
        await self._none_open.wait()


@dataclass
class RefusingRedis:
    """`url` leads to the server. `error`: what commands are answered with instead of being passed on, or None."""

    server: str
    url: str = ""
    error: str | None = None
    refused: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def refuses(self, error: str, times: int = 2) -> None:
        """Answer this many commands with `error`, and then serve again."""
        self.error, before = error, self.refused
        async with asyncio.timeout(30):
            while self.refused < before + times:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
        self.error = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        parts = urlsplit(self.server)
        server_reader, server_writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            await self._join(reader, writer, server_reader, server_writer)
        except asyncio.CancelledError:
            pass  # The proxy ends; asyncio's stream server reports a cancelled handler as an error.
        finally:
            self._tasks.discard(task)
            for each in (writer, server_writer):
                each.transport.abort()

    async def _join(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
    ) -> None:
        passing = Passing()
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._up(reader, client, server, passing))
                pumps.create_task(self._down(server_reader, client, passing))
        except* OSError:
            pass

    async def aclose(self) -> None:
        """End all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _up(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        passing: "Passing",
    ) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(1 << 16):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                name = command[0].upper()
                if self.error is None or passing.subscribed or name in _OF_THE_CONNECTION:
                    passing.began(name)
                    server.write(hiredis.pack_command(tuple(command)))
                else:
                    await passing.answered()
                    self.refused += 1
                    client.write(f"-{self.error}\r\n".encode())
            await server.drain()
            await client.drain()
        raise ConnectionResetError("the client has gone")

    async def _down(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, passing: "Passing") -> None:
        replies = hiredis.Reader()
        while data := await reader.read(1 << 16):
            client.write(data)
            replies.feed(data)
            while replies.gets() is not False:
                passing.ended()
            await client.drain()
        raise ConnectionResetError("the server has gone")


@asynccontextmanager
async def refusing_redis(server: str) -> AsyncIterator[RefusingRedis]:
    """A proxy to the server at the URL `server`."""
    proxy = RefusingRedis(server)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    parts = urlsplit(server)
    port = listening.sockets[0].getsockname()[1]
    proxy.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{port}"))
    try:
        yield proxy
    finally:
        listening.close()
        with suppress(asyncio.CancelledError):
            await proxy.aclose()
