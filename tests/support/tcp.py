"""Clients of a gateway that speak bytes: half a request, a frame in pieces, a peer that doesn't read."""

import asyncio
import base64
import os
import socket
import struct
from contextlib import suppress
from typing import Self

from websockets.frames import Frame, Opcode

from tests.support.gateway import RunningGateway
from tools.devtoken import mint


async def raw(
    gateway: RunningGateway, receive_bytes: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection to `gateway`, closed when the test ends. `receive_bytes`: the size of the kernel's receive buffer."""
    client = socket.socket()
    client.setblocking(False)
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", int(gateway.url.rpartition(":")[2])))
    reader, writer = await asyncio.open_connection(sock=client)
    gateway.stack.push_async_callback(_abort, writer)
    return reader, writer


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


def upgrade_request(path: str, *headers: str) -> bytes:
    """The text of an upgrade request."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Tcp:
    """A client that speaks bytes, and reads only when it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls, gateway: RunningGateway, username: str, cursor: str | None = None, receive_bytes: int | None = None
    ) -> Self:
        """A connection whose client has read `connection.success`."""
        reader, writer = await raw(gateway, receive_bytes)
        writer.transport.set_write_buffer_limits(1 << 24)
        connection = cls(reader, writer)
        path = "/chat/ws" if cursor is None else f"/chat/ws?cursor={cursor}"
        writer.write(upgrade_request(path, f"Authorization: Bearer {mint(username)}"))
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        await connection.frame()
        return connection

    def send(self, opcode: Opcode, payload: bytes, *, fin: bool = True) -> None:
        self.writer.write(Frame(opcode, payload, fin).serialize(mask=True))

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame."""
        async with asyncio.timeout(30):
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """The code of the close frame, other frames passed over."""
        while True:
            opcode, payload = await self.frame()
            if opcode == Opcode.CLOSE:
                return int(struct.unpack("!H", payload[:2])[0])

    def stop_reading(self) -> None:
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    def resume_reading(self) -> None:
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.resume_reading()

    def abort(self) -> None:
        self.writer.transport.abort()
