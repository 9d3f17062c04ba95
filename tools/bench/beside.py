"""The time of an acknowledgement alone and beside other work, in turn; and who has the CPU meanwhile."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import httpx
from chat_client import ChatClient

from tools.bench import cpu
from tools.chatctl.target import processes, url_of
from tools.devtoken import mint

RECEIVER: Final = "bench-receiver"
SECONDS: Final = 20
"""Of each part, unless the other work ends it."""
MOST_SECONDS: Final = 120
PAUSE_SECONDS: Final = 0.05
ROUNDS: Final = 3
SETTLE_SECONDS: Final = 5
"""After other work: what it left behind is not to be measured as «alone»."""

Load = Callable[[], AbstractAsyncContextManager[asyncio.Event | None]]
"""Other work, as long as the block runs; the event ends the measurement of this round. `None`: it goes on for ever."""


async def compare(name: str, load: Load, rounds: int = ROUNDS) -> None:
    """Send messages alone and beside `load`, in turn, and print the percentiles of the acknowledgements and the shares of CPU."""
    async with httpx.AsyncClient(base_url=url_of(None)) as http:
        # A user exists from the first sign-in.
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
    """Seconds of each acknowledgement of a steady sender."""
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
    """Print what share of one core each kind of process took while the block ran."""
    kinds: dict[str, list[int]] = {}
    for process in processes():
        kinds.setdefault(process.name.rpartition("-")[0] or process.name, []).append(process.pid)
    began, before = time.monotonic(), cpu.sample(kinds)
    yield
    spent, took = cpu.difference(before, cpu.sample(kinds)), time.monotonic() - began
    shares = sorted(((nanoseconds / 1e7 / took, kind) for kind, nanoseconds in spent.items()), reverse=True)
    print(f"CPU {part}: {', '.join(f'{kind} {share:.0f} %' for share, kind in shares if share >= 1)}", flush=True)
