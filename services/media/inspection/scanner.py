"""An optional virus scanner for each file, by clamd's protocol or by HTTP.

An upload isn't ready before the scanner has answered. When the scanner can't be reached, the client is told to ask again.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog

from services.media.inspection.refusal import Refused

log = structlog.get_logger(__name__)

CHUNK_BYTES: Final = 256 * 1024
MAX_ANSWER_BYTES: Final = 4096
CLAMD_PORT: Final = 3310
INFECTED: Final = "The file was refused by the virus scanner"


class ScannerAway(Exception):
    """The scanner didn't answer, or couldn't scan the file."""


class Scanner(Protocol):
    """Scans files before anybody can get them."""

    async def scan(self, file: Path) -> None:
        """Return when the file is clean. Raises Refused when it isn't, ScannerAway when the scanner has no verdict."""


class NoScanner:
    """The scanner when none is configured: every file is clean."""

    async def scan(self, file: Path) -> None:
        """Do nothing."""


class Clamd:
    """ClamAV's daemon: `zINSTREAM`, chunks with a length prefix, an empty chunk, then the verdict (`man clamd`)."""

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds

    async def scan(self, file: Path) -> None:
        """Return when the file is clean. Raises Refused, ScannerAway."""
        try:
            async with asyncio.timeout(self._seconds):
                verdict = await self._ask(file)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise _away(error) from error
        if verdict.endswith("FOUND"):
            raise Refused(INFECTED)
        if not verdict.endswith("OK"):
            raise _away(verdict)

    async def _ask(self, file: Path) -> str:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(b"zINSTREAM\0")
            async for chunk in _chunks(file):
                writer.write(struct.pack(">I", len(chunk)) + chunk)
                await writer.drain()
            writer.write(struct.pack(">I", 0))
            await writer.drain()
            answer = b""
            while not answer.endswith(b"\0") and len(answer) < MAX_ANSWER_BYTES:
                # It may arrive in pieces.
                part = await reader.read(MAX_ANSWER_BYTES - len(answer))
                if not part:
                    break
                answer += part
        finally:
            writer.close()
        return answer.rstrip(b"\0\n").decode("utf-8", "replace")


class HttpScanner:
    """A service that gets each file by POST: 200 or 204 means clean, 406 or 422 infected, and anything else no verdict."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=seconds)

    async def scan(self, file: Path) -> None:
        """Return when the file is clean. Raises Refused, ScannerAway."""
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.post(self._url, data=_chunks(file), allow_redirects=False) as response,
            ):
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _away(error) from error
        if status in {406, 422}:
            raise Refused(INFECTED)
        if status not in {200, 204}:
            raise _away(f"HTTP {status}")


def scanner_at(url: str | None, seconds: float) -> Scanner:
    """Return the scanner for a URL: `tcp://host:3310` is clamd, `http://…` and `https://…` an HTTP service, None no scanner."""
    if url is None:
        return NoScanner()
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        return Clamd(parts.hostname or "", parts.port or CLAMD_PORT, seconds)
    return HttpScanner(url, seconds)


def _away(cause: object) -> ScannerAway:
    log.warning("scanner.away", error=repr(cause))
    return ScannerAway(str(cause))


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, CHUNK_BYTES):
            yield chunk
