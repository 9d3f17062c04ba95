"""`python -m tools.bench.uploads`: measures uploads and downloads: speed, memory, and delay of the chat.

Against a running stack without quotas: `CHAT_UPLOAD_MAX_BYTES=209715200 CHAT_UPLOADS_PER_HOUR=0 CHAT_UPLOAD_BYTES_PER_DAY=0
CHAT_MESSAGES_PER_MINUTE=0 make up`. The clients of the load stand for other machines: their process has the lowest priority
(nice 19). What it can take beside the chat is what is left of the cores. With `idle`, they and media are in a control group that
gets only the CPU that nobody else wants (for root).
"""

import asyncio
import contextlib
import io
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import psutil
from PIL import Image

from tools.bench.beside import RECEIVER, compare
from tools.bench.idle_group import idle_group
from tools.bench.other_machine import is_other_machine, on_other_machine
from tools.devtoken import mint
from tools.target import processes, url_of

MIB: Final = 1024 * 1024
LARGE_BYTES: Final = 100 * MIB
MANY: Final = 50
PIECE_BYTES: Final = 256 * 1024
LOADERS: Final = 8
FILE_LOADERS: Final = 4
FILE_BYTES: Final = 25 * MIB
PICTURE_SIDE: Final = 2000
UNDER_WAY_SECONDS: Final = 3
"""After this time, the first pictures are being inspected."""
SAMPLE_SECONDS: Final = 0.05
UNTYPED: Final = "application/octet-stream"
LOAD: Final = "load"
IDLE: Final = "idle"
MEASURES: Final = ("transfers", "beside")


async def main() -> None:
    """Measure what the arguments name (`transfers`, `beside`, `idle`; default: the first two), or be the load."""
    wanted = sys.argv[1:] or MEASURES
    if LOAD in wanted:
        is_other_machine()
        await load()
    if "transfers" in wanted:
        async with uploader() as (http, conversation):
            await transfers(http, conversation, 1, LARGE_BYTES)
            await transfers(http, conversation, MANY, LARGE_BYTES)
    if "beside" in wanted:
        await compare("uploads", uploads)
    if IDLE in wanted:
        await compare("uploads of an idle group", uploads_of_an_idle_group)


async def transfers(http: httpx.AsyncClient, conversation: str, count: int, size: int) -> None:
    """Upload, complete and download `count` files of `size` bytes at once."""
    data = os.urandom(size)
    base = resident()
    async with peak() as highest:
        began = time.monotonic()
        reservations = await asyncio.gather(*(put(http, conversation, data, UNTYPED) for _ in range(count)))
        up = time.monotonic() - began
        urls = await asyncio.gather(*(complete(http, upload_id) for upload_id in reservations))
        began = time.monotonic()
        await asyncio.gather(*(drain(http, url) for url in urls))
        down = time.monotonic() - began
    total = count * size / MIB
    print(
        f"{count} × {size // MIB} MiB: up {total / up:.0f} MiB/s, down {total / down:.0f} MiB/s; "
        f"media {base:.0f} MiB at rest, {highest[0]:.0f} MiB at most",
        flush=True,
    )


@asynccontextmanager
async def uploads() -> AsyncIterator[None]:
    """Upload pictures and files at full load while the block runs."""
    async with on_other_machine("tools.bench.uploads", LOAD):
        await asyncio.sleep(UNDER_WAY_SECONDS)
        yield


@asynccontextmanager
async def uploads_of_an_idle_group() -> AsyncIterator[None]:
    """Do the same with the clients and media in a control group that gets only what is left of the CPU."""
    async with on_other_machine("tools.bench.uploads", LOAD) as clients:
        workers = [child.pid for pid in media() for child in psutil.Process(pid).children(recursive=True)]
        with idle_group([clients.pid, *media(), *workers]):
            await asyncio.sleep(UNDER_WAY_SECONDS)
            yield


async def load() -> None:
    """Upload pictures and files without end, and read the files back, so many of each at once. Never returns."""
    target = io.BytesIO()
    Image.effect_noise((PICTURE_SIDE, PICTURE_SIDE), 60).convert("RGB").save(target, "JPEG", quality=90)
    picture, file = target.getvalue(), os.urandom(FILE_BYTES)
    async with uploader() as (http, conversation):

        async def pictures() -> None:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await complete(http, await put(http, conversation, picture, "image/jpeg"))

        async def files() -> None:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await drain(http, await complete(http, await put(http, conversation, file, UNTYPED)))

        await asyncio.gather(*(pictures() for _ in range(LOADERS)), *(files() for _ in range(FILE_LOADERS)))


@asynccontextmanager
async def uploader() -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Open a client of one user, and a conversation to upload to."""
    url = url_of(None)
    receiver = {"Authorization": f"Bearer {mint(RECEIVER)}"}
    headers = {"Authorization": f"Bearer {mint('bench-uploader')}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=300) as http:
        await http.get("/chat/users/me", headers=receiver)
        answer = await http.post("/chat/conversations", json={"username": RECEIVER})
        yield http, answer.raise_for_status().json()["id"]


async def put(http: httpx.AsyncClient, conversation: str, data: bytes, mime_type: str) -> str:
    """Reserve an upload, send its bytes, and return its id."""
    body = {"conversationId": conversation, "name": "bench", "mimeType": mime_type, "size": len(data)}
    reservation = (await http.post("/chat/uploads", json=body)).raise_for_status().json()
    headers = {**reservation["headers"], "Content-Length": str(len(data))}
    answer = await http.request(reservation["method"], reservation["url"], headers=headers, content=pieces(data))
    answer.raise_for_status()
    return str(reservation["uploadId"])


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    """Yield the bytes in pieces, as from a disk, so that many uploads make progress at the same time."""
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


async def complete(http: httpx.AsyncClient, upload_id: str) -> str:
    """Complete, and return the URL."""
    answer = await http.post(f"/chat/uploads/{upload_id}/complete")
    return str(answer.raise_for_status().json()["media"]["url"])


async def drain(http: httpx.AsyncClient, url: str) -> None:
    """Download an object, and discard it."""
    async with http.stream("GET", url) as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_raw():
            pass


@asynccontextmanager
async def peak() -> AsyncIterator[list[float]]:
    """Record the highest memory of media while the block runs, in MiB."""
    highest = [0.0]

    async def watch() -> None:
        while True:
            highest[0] = max(highest[0], resident())
            await asyncio.sleep(SAMPLE_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        yield highest
    finally:
        watching.cancel()


def resident() -> float:
    """Return the resident memory of media without its workers, in MiB."""
    return float(sum(psutil.Process(pid).memory_info().rss for pid in media()) / MIB)


def media() -> list[int]:
    """Return the process ids of media without its workers."""
    return [process.pid for process in processes() if process.name.startswith("media-")]


if __name__ == "__main__":
    asyncio.run(main())
