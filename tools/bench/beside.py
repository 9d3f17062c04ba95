"""Measures the time to an acknowledgement alone and beside other work, in turn, and the CPU share of each kind of process."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import httpx
from chat_client import ChatClient

from tools.bench import cpu
from tools.devtoken import mint
from tools.target import processes, url_of

RECEIVER: Final = "bench-receiver"
SECONDS: Final = 20
"""Length of each part, unless the other work ends it."""
MOST_SECONDS: Final = 120
PAUSE_SECONDS: Final = 0.05
ROUNDS: Final = 3
SETTLE_SECONDS: Final = 5
"""Pause after other work, so that its remains don't count as «alone»."""

Load = Callable[[], AbstractAsyncContextManager[asyncio.Event | None]]
"""Does other work while its block runs. Its event is set when the work is over, which ends the round; None: it never ends."""


async def compare(name: str, load: Load, rounds: int = ROUNDS) -> None:
    """Send messages alone and beside `load`, in turn, and print the percentiles of the acknowledgements and the shares of CPU."""
    async with httpx.AsyncClient(base_url=url_of(None)) as http:
        # A user exists after the first request.
        receiver = {"Authorization": f"Bearer {mint(RECEIVER)}"}
        (await http.get("/chat/users/me", headers=receiver)).raise_for_status()
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        async with cpu_of("alone"):
            alone += await probe(None)
        async with load() as over, cpu_of(f"beside {name}"):
            beside += await probe(over)
        await asyncio.sleep(SETTLE_SECONDS)
    for which, times in (("alone", alone), (f"beside {name}", beside)):
        cut = statistics.quantiles(times, n=100)
        print(f"ack {which}: p50 {cut[49] * 1000:.1f} ms, p99 {cut[98] * 1000:.1f} ms of {len(times)}", flush=True)


async def probe(over: asyncio.Event | None) -> list[float]:
    """Send messages steadily, and return the seconds to each acknowledgement."""
    times: list[float] = []
    async with ChatClient(url_of(None), lambda: mint("bench-probe")) as client:
        conversation = (await client.rest.open_conversation(username=RECEIVER))["id"]
        end = time.monotonic() + (SECONDS if over is None else MOST_SECONDS)
        while time.monotonic() < end and not (over is not None and over.is_set()):
            began = time.monotonic()
            await client.send(conversation, "text", "probe")
            times.append(time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)
    return times


@asynccontextmanager
async def cpu_of(part: str) -> AsyncIterator[None]:
    """Print the share of one core that each kind of process used while the block ran."""
    kinds: dict[str, list[int]] = {}
    for process in processes():
        kinds.setdefault(process.name.rpartition("-")[0] or process.name, []).append(process.pid)
    began, before = time.monotonic(), cpu.sample(kinds)
    yield
    spent, took = cpu.difference(before, cpu.sample(kinds)), time.monotonic() - began
    shares = sorted(((nanoseconds / 1e7 / took, kind) for kind, nanoseconds in spent.items()), reverse=True)
    print(f"CPU {part}: {', '.join(f'{kind} {share:.0f} %' for share, kind in shares if share >= 1)}", flush=True)
