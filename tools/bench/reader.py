"""One keep-alive HTTP connection that reads as cheaply as can be (RFC 9112, answers with Content-Length only)."""

import asyncio
from typing import Self
from urllib.parse import urlsplit


class Reader:
    """Sends GET requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._tail = f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n\r\n".encode()

    @classmethod
    async def connect(cls, url: str, token: str) -> Self:
        """Connect to the origin `url`."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        return cls(reader, writer, parts.netloc, token)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of the answer. Raises asyncio.IncompleteReadError when the server hung up."""
        self._writer.write(b"GET " + path.encode() + self._tail)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, await self._reader.readexactly(length)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
