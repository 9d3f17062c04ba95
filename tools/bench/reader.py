"""One keep-alive HTTP connection, as cheap as possible (RFC 9112; only responses with Content-Length)."""

import asyncio
from typing import Self
from urllib.parse import urlsplit


class Reader:
    """Sends requests one after another."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: */*\r\n".encode()

    @classmethod
    async def connect(cls, url: str, token: str) -> Self:
        """Connect to the origin `url`."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        return cls(reader, writer, parts.netloc, token)

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of the response. Raises asyncio.IncompleteReadError when the server closes the connection."""
        return await self.request("GET", path)

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request with any method and a JSON body, and return as `get`."""
        about_body = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else b""
        self._writer.write(method.encode() + b" " + path.encode() + self._head + about_body + b"\r\n" + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, await self._reader.readexactly(length)

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()
