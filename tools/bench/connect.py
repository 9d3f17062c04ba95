"""Connecting, at a fixed rate, of known users: measures from opening the TCP connection to `status.bulk`."""

import asyncio
import random
import time
from functools import partial
from typing import Final

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.pacer import arrivals, pace
from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import rest_of, together, token_of
from tools.bench.window import Window

A_SECOND: Final = 100.0
MEASURED_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 5.0
WARM_SECONDS: Final = 1.0
LAST_SECONDS: Final = 10.0
"""How long the scenario waits for the last connections."""
SEED: Final = 20240101


class Arrivals:
    """Peers that connect in turn. `latencies`: seconds from each one's intended time to its `status.bulk`."""

    def __init__(self, bench: Bench, names: list[str]) -> None:
        self._target = bench.target
        self._names = iter(names)
        self._tokens = {name: token_of(name) for name in names}
        self._connecting: set[asyncio.Task[None]] = set()
        self._due: dict[Peer, float] = {}
        self.peers: list[Peer] = []
        self.latencies: list[float] = []

    def connect_next(self, intended_at: float) -> None:
        """Connect the next user."""
        peer = Peer(next(self._names))
        peer.on_event = self._on_event
        self.peers.append(peer)
        self._due[peer] = intended_at
        task = asyncio.create_task(peer.connect(self._target, self._tokens[peer.name]))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def finish(self) -> int:
        """Wait for the last connections, and return how many still have no `status.bulk`."""
        until = time.perf_counter() + LAST_SECONDS
        while self._due and time.perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return len(self._due)

    def _on_event(self, peer: Peer, event: SeenEvent) -> None:
        if event.type == "status.bulk" and peer in self._due:
            self.latencies.append(time.perf_counter() - self._due.pop(peer))


async def run(bench: Bench) -> Outcome:
    """Register users, connect a few to warm up, then measure the others."""
    name = bench.target.name
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    chance = random.Random(SEED)  # noqa: S311 - the same arrivals in each run
    warm, measured = list(arrivals(A_SECOND, WARM_SECONDS, chance)), list(arrivals(A_SECOND, seconds, chance))
    names = [f"{bench.prefix('connect')}-{n}" for n in range(len(warm) + len(measured))]
    async with rest_of(bench.target) as rest:
        await together(partial(rest.call, each, "GET", "/chat/users/me") for each in names)
    crowd = Arrivals(bench, names)
    await pace(iter(warm), crowd.connect_next)
    unanswered = await crowd.finish()
    crowd.latencies.clear()
    async with bench.stages.timed(f"{name}, connect: measuring", seconds):
        window = Window(bench.target)
        await pace(iter(measured), crowd.connect_next)
        unanswered += await crowd.finish()
        window.close()
    for peer in crowd.peers:
        peer.cut()
    count = len(crowd.latencies)
    return Outcome(
        scenario="connect",
        target=name,
        unit="connection",
        count=count,
        seconds=window.seconds,
        cpu_us=window.each_us(count),
        generator_us=window.generator_us(count),
        ack_ms=summarize(crowd.latencies),
        extra=window.disturbance(),
        errors={"without status.bulk": unanswered} if unanswered else {},
    )
