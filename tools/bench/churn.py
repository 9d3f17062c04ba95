"""Typing indicators and statuses of friends: events that are never stored."""

import random
import time
from functools import partial
from typing import Final

from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.pacer import arrivals, pace
from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import Rest, rest_of, together
from tools.bench.traffic import Pair, gather_pairs
from tools.bench.window import Window

PAIRS: Final = 250
QUICK_PAIRS: Final = 100
EVENTS_A_SECOND_EACH: Final = 2.0
"""Events of each pair in a second: a start and a stop of typing, or two changes of status."""
MEASURED_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 1.0
STATUSES: Final = ("busy", "online")
SEED: Final = 20240101


class Churn:
    """Pairs whose senders type and change status in turn. `latencies`: seconds until the receiver gets the event."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs
        self.sent = 0
        self.latencies: list[float] = []
        self._due: dict[tuple[str, str], float] = {}
        for pair in pairs:
            pair.receiver.on_event = partial(self._on_event, pair)

    def act(self, intended_at: float) -> None:
        """Let the next pair's sender take the next step: start typing, stop typing, become busy, or online again."""
        turn, index = divmod(self.sent, len(self.pairs))
        pair = self.pairs[index]
        self.sent += 1
        step = turn % 4
        if step < 2:
            kind = ("typing.start", "typing.stop")[step]
            frame = b'{"type":"%s","payload":{"conversationId":"%s"}}' % (kind.encode(), pair.account.name.encode())
        else:
            kind = "user.status"
            frame = b'{"type":"presence.set","payload":{"status":"%s"}}' % STATUSES[step - 2].encode()
        self._due[pair.account.name, kind] = intended_at
        pair.sender.send(frame)

    def _on_event(self, pair: Pair, _peer: Peer, event: SeenEvent) -> None:
        due = self._due.pop((pair.account.name, event.type), None)
        if due is not None:
            self.latencies.append(time.perf_counter() - due)


async def run(bench: Bench) -> Outcome:
    """Connect pairs of friends, let them act at a fixed rate, and measure."""
    name = bench.target.name
    seconds = QUICK_SECONDS if bench.quick else MEASURED_SECONDS
    rate = EVENTS_A_SECOND_EACH * (QUICK_PAIRS if bench.quick else PAIRS)
    chance = random.Random(SEED)  # noqa: S311 - the same arrivals in each run
    async with rest_of(bench.target) as rest:
        pairs = await gather_pairs(bench.target, rest, bench.prefix("churn"), QUICK_PAIRS if bench.quick else PAIRS)
        await together(partial(_befriend, rest, pair) for pair in pairs)
    churn = Churn(pairs)
    async with bench.stages.timed(f"{name}, churn: measuring", seconds + DRAIN_SECONDS):
        window = Window(bench.target)
        await pace(arrivals(rate, seconds, chance), churn.act)
        window.close()
        await pace(iter([DRAIN_SECONDS]), lambda _: None)
    for pair in pairs:
        pair.sender.cut()
        pair.receiver.cut()
    return Outcome(
        scenario="churn",
        target=name,
        unit="event",
        count=churn.sent,
        seconds=window.seconds,
        cpu_us=window.each_us(churn.sent),
        generator_us=window.generator_us(churn.sent),
        receive_ms=summarize(churn.latencies),
        extra={"received_percent": round(100 * len(churn.latencies) / churn.sent, 2), **window.disturbance()},
    )


async def _befriend(rest: Rest, pair: Pair) -> None:
    """Have both follow each other."""
    await rest.call(pair.sender.name, "PUT", f"/chat/follows/{pair.receiver.name}")
    await rest.call(pair.receiver.name, "PUT", f"/chat/follows/{pair.sender.name}")
