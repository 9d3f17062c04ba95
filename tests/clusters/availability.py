"""Is there an answer? REST and the verdict on handshakes are asked for all the time."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx

from tests.support.plain_http import plain_http
from tools.devtoken import mint

PERIOD_SECONDS = 0.1
"""With as many users as below, each stays below its limits."""
USERS = 40
ANSWER_SECONDS = 5.0


@dataclass
class Availability:
    """When each of the two was answered (monotonic seconds), and how it was refused last."""

    answered_at: dict[str, list[float]] = field(default_factory=lambda: {"rest": [], "handshake": []})
    refused: dict[str, str] = field(default_factory=dict)


async def _ask(
    client: httpx.AsyncClient, kept: Availability, what: str, request: Callable[[str], httpx.Request]
) -> None:
    for number in count():
        started = time.monotonic()
        try:
            response = await client.send(request(mint(f"asks-{what}-{number % USERS}", lifetime_seconds=3600)))
            # 426: the plain GET of the socket's URL is authorised, and told to upgrade.
            if response.status_code in {200, 426}:
                kept.answered_at[what].append(time.monotonic())
            else:
                kept.refused[what] = f"{response.status_code} {response.text[:200]}"
        except httpx.HTTPError as error:
            kept.refused[what] = repr(error)
        await asyncio.sleep(max(0.0, started + PERIOD_SECONDS - time.monotonic()))


@asynccontextmanager
async def watched(url: str, *, asks: bool) -> AsyncIterator[Availability]:
    """Ask as long as this lasts; without `asks`, which is for when nobody looks at the answers, nothing is asked."""
    kept = Availability()
    if not asks:
        yield kept
        return
    async with plain_http(url, timeout=ANSWER_SECONDS) as client:

        def request(path: str) -> Callable[[str], httpx.Request]:
            return lambda token: client.build_request("GET", path, headers={"Authorization": f"Bearer {token}"})

        asking = [
            asyncio.create_task(_ask(client, kept, "rest", request("/chat/unread"))),
            asyncio.create_task(_ask(client, kept, "handshake", request("/chat/ws"))),
        ]
        try:
            yield kept
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
