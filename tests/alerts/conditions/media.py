"""A store of uploads that is away, and a scanner that is slow."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from aiohttp import web

from tests.alerts.condition import condition
from tests.alerts.watched import Watched
from tests.support.backends import execute
from tests.support.uploads import File, complete, picture, put, reserve, send_bytes
from tests.support.waiting import eventually

FAILURES = 12
SCANNING_SECONDS = 12


@condition(
    "the folder of uploads is gone",
    ChatMediaStoreAway={},
    ChatMediaNotSwept={},
)
async def no_store(watched: Watched) -> AsyncIterator[None]:
    folder = Path(urlsplit(watched.services.setting("CHAT_UPLOAD_STORE", "media-1")).path)
    alice, bob = watched.people.make("alice"), watched.people.make("bob")
    conversation = await alice.conversation_with(bob)
    file = File(picture())
    reservations = [(await reserve(alice, conversation, file)).json() for _ in range(FAILURES)]
    away = await asyncio.to_thread(_replace_by_a_file, folder)
    # What nobody needs any more, and can't be deleted.
    released = reservations.pop()["uploadId"]
    await execute(watched.database_url, f"UPDATE media.uploads SET state = 'released' WHERE id = '{released}'")
    try:
        for reservation in reservations:
            assert (await put(reservation, file.data)).status_code == 503
            await asyncio.sleep(1)
        yield
    finally:
        await asyncio.to_thread(_put_back, folder, away)
    assert (await put(reservations[0], file.data)).is_success


def _replace_by_a_file(folder: Path) -> Path:
    away = folder.rename(folder.with_name("uploads.away"))
    folder.write_text("not a folder", encoding="utf-8")
    return away


def _put_back(folder: Path, away: Path) -> None:
    folder.unlink()
    away.rename(folder)


@condition(f"the virus scanner takes {SCANNING_SECONDS} s", ChatMediaSlow={})
async def slow_scanner(watched: Watched) -> AsyncIterator[None]:
    async def scan(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(SCANNING_SECONDS)
        return web.Response(status=204)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/", scan)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with watched.services.settings("media-1", "media-2", CHAT_UPLOAD_SCANNER_URL=url):
            alice, bob = watched.people.make("alice"), watched.people.make("bob")
            reservation = await send_bytes(alice, await alice.conversation_with(bob), File(picture()))
            # The first answer takes longer than a client waits; a later one says that it is ready.
            with suppress(httpx.ReadTimeout):
                await complete(alice, reservation)

            async def ready() -> bool:
                return (await complete(alice, reservation)).status_code == 200

            await eventually(ready, SCANNING_SECONDS * 5)
            yield
    finally:
        await runner.cleanup()
