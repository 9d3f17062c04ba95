"""A client that breaks off in the middle of its bytes leaves nothing behind, and may send them again (docs/uploads.md)."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.media import receiver
from services.media.storage import LOCAL_PART_BYTES
from shared.lifecycle import Server
from tests.integration.media.conftest import ORIGIN, Conversation, Running, Start
from tests.support.gateway import until
from tests.support.uploads import File

SECONDS = 60
BYTES = os.urandom(4 * LOCAL_PART_BYTES)
HALF = BYTES[: 3 * LOCAL_PART_BYTES]
FILE = File(BYTES, "a.bin", "application/octet-stream")
NO_LINGER = struct.pack("ii", 1, 0)


@pytest.fixture
async def one_at_a_time(start: Start) -> AsyncIterator[Running]:
    """Media with room for a single transfer: one that is never given up would refuse the next."""
    async with start(upload_transfers=1) as running:
        yield running


@asynccontextmanager
async def served(running: Running) -> AsyncIterator[int]:
    """Media behind its own HTTP server; the port."""
    server = Server(running.media.http())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        await until(lambda: server.started)
        try:
            yield listening.getsockname()[1]
        finally:
            server.stop()
            await serving


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def send_half(port: int, reservation: dict[str, Any], framing: str) -> Streams:
    """Begin a transfer, and stop in the middle of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = reservation["url"].removeprefix(ORIGIN)
    chunked = framing == "chunked"
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BYTES)}"
    head = (
        f"{reservation['method']} {path} HTTP/1.1\r\nHost: media\r\nContent-Type: {FILE.mime_type}\r\n{length}\r\n\r\n"
    )
    size = f"{len(BYTES):x}\r\n" if chunked else ""
    writer.write(f"{head}{size}".encode() + HALF)
    await asyncio.wait_for(writer.drain(), SECONDS)
    return reader, writer


def close(writer: asyncio.StreamWriter) -> None:
    """End the connection as a program does that ends."""
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection at once (RST), as the machine of a program does that was killed."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()


def sizes(store: Path) -> dict[str, int]:
    """The files of the store, and how many bytes are in each."""
    return {path.name: path.stat().st_size for path in store.rglob("*") if path.is_file()}


async def emptied(store: Path) -> None:
    """Wait until nothing is in the store."""
    async with asyncio.timeout(SECONDS):
        while sizes(store):  # noqa: ASYNC110 - a folder tells nobody when it changes
            await asyncio.sleep(0.01)


async def half_stored(store: Path) -> None:
    """Wait until a part of the bytes is in the store: only then there is something to be left behind."""
    async with asyncio.timeout(SECONDS):
        while max(sizes(store).values(), default=0) < LOCAL_PART_BYTES:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)


async def expect_to_begin_anew(running: Running, talk: Conversation, reservation: dict[str, Any]) -> None:
    """The reservation is as if nothing had been sent: it isn't ready, and accepts the bytes."""
    await expect_unready(running, talk, reservation)
    async with asyncio.timeout(SECONDS):
        # The room of the broken transfer is free a moment after its bytes are gone.
        while (answer := await running.put(reservation, BYTES)).status_code == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert answer.status_code == 204, answer.text
    completed = await running.complete(talk, reservation)
    assert completed.status_code == 200, completed.text
    assert (await running.call("GET", completed.json()["media"]["url"])).content == BYTES


async def expect_unready(running: Running, talk: Conversation, reservation: dict[str, Any]) -> None:
    """`complete` says that the bytes are missing, and that it may be repeated."""
    answer = await running.complete(talk, reservation)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retryable"]) == (409, "upload_not_ready", True)
    assert await running.state(reservation["uploadId"]) == "reserved"


@pytest.mark.parametrize("framing", ["announced", "chunked"])
@pytest.mark.parametrize("cut", [close, reset])
async def test_a_broken_transfer_leaves_nothing_behind(
    one_at_a_time: Running,
    talk: Conversation,
    tmp_path: Path,
    cut: Callable[[asyncio.StreamWriter], None],
    framing: str,
) -> None:
    running, store = one_at_a_time, tmp_path / "store"
    async with served(running) as port:
        reservation = await running.reserve(talk, FILE)
        _, writer = await send_half(port, reservation, framing)
        await half_stored(store)
        await expect_unready(running, talk, reservation)
        cut(writer)
        await emptied(store)
        await expect_to_begin_anew(running, talk, reservation)


async def test_a_transfer_that_falls_silent_leaves_nothing_behind(
    one_at_a_time: Running, talk: Conversation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection stays, as that of a phone in a tunnel does."""
    running, store = one_at_a_time, tmp_path / "store"
    async with served(running) as port:
        reservation = await running.reserve(talk, FILE)
        with monkeypatch.context() as impatient:
            impatient.setattr(receiver, "IDLE_SECONDS", 3)
            reader, writer = await send_half(port, reservation, "announced")
            await half_stored(store)
            assert (await asyncio.wait_for(reader.readline(), SECONDS)).startswith(b"HTTP/1.1 408 ")
        await emptied(store)
        await expect_to_begin_anew(running, talk, reservation)
        writer.close()
