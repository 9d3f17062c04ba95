"""Clean files pass the scanner, others are refused, and without its answer an upload isn't ready."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.media.inspection.refusal import Refused
from services.media.inspection.scanner import ScannerAway, scanner_at

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SECONDS = 20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"clean " * 100_000)
    return path


@asynccontextmanager
async def clamd(verdict: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """A server of clamd's INSTREAM: it gives the URL, and answers each file with `verdict` of its bytes, in two packets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) == b"zINSTREAM\0"
        data = b""
        while size := struct.unpack(">I", await reader.readexactly(4))[0]:
            data += await reader.readexactly(size)
        answer = verdict(data)
        for piece in (answer[:7], answer[7:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def by_clamav(data: bytes) -> bytes:
    return b"stream: Win.Test.EICAR_HDB-1 FOUND\0" if EICAR in data else b"stream: OK\0"


async def test_clamd_passes_clean_files_and_refuses_others(file: Path) -> None:
    async with clamd(by_clamav) as url:
        await scanner_at(url, SECONDS).scan(file)
        await asyncio.to_thread(file.write_bytes, b"before " + EICAR)
        with pytest.raises(Refused, match="virus scanner"):
            await scanner_at(url, SECONDS).scan(file)


@pytest.mark.parametrize("answer", [b"INSTREAM size limit exceeded. ERROR\0", b""])
async def test_a_clamd_that_can_t_say_is_no_verdict(file: Path, answer: bytes) -> None:
    async with clamd(lambda _: answer) as url:
        with pytest.raises(ScannerAway):
            await scanner_at(url, SECONDS).scan(file)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, None), (204, None), (406, Refused), (422, Refused), (302, ScannerAway), (500, ScannerAway)],
)
async def test_an_http_scanner_says_it_by_its_status(file: Path, status: int, outcome: type[Exception] | None) -> None:
    received: list[int] = []

    async def scan(request: web.Request) -> web.Response:
        received.append(len(await request.read()))
        return web.Response(status=status)

    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/scan", scan)
    async with TestServer(app) as server:
        scanner = scanner_at(str(server.make_url("/scan")), SECONDS)
        if outcome is None:
            await scanner.scan(file)
        else:
            with pytest.raises(outcome):
                await scanner.scan(file)
    assert received == [600_000]


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "http://127.0.0.1:1/scan"])
async def test_a_scanner_that_is_away_is_no_verdict(file: Path, url: str) -> None:
    with pytest.raises(ScannerAway):
        await scanner_at(url, SECONDS).scan(file)


async def test_a_scanner_that_never_answers_is_not_awaited_for_ever(file: Path) -> None:
    never = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        with pytest.raises(ScannerAway):
            await scanner_at(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", 0.3).scan(file)
    finally:
        never.set()
        server.close()
        await server.wait_closed()


async def test_without_a_scanner_every_file_is_clean(file: Path) -> None:
    await scanner_at(None, SECONDS).scan(file)
