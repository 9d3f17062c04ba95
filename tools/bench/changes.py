"""Edits and reactions at full speed: in each of 50 pairs, one user changes stored messages, with 8 changes under way."""

import time
from asyncio import sleep
from collections import Counter, deque
from functools import partial
from typing import Final, Literal

from tools.bench import saturated
from tools.bench.bench import Bench
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import rest_of
from tools.bench.traffic import Pair, Traffic, gather_pairs
from tools.bench.window import Window

Kind = Literal["edit", "reaction"]
MESSAGES: Final = 16
"""Messages of each pair, which are changed in turn."""
ANSWERS: Final[dict[Kind, str]] = {"edit": "message.updated", "reaction": "reaction.updated"}
DRAIN_SECONDS: Final = 30.0


class Changes:
    """The changes of one user. `latencies`: seconds from each change until its event arrives."""

    def __init__(self, pair: Pair, kind: Kind) -> None:
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.sent_at: deque[float] = deque()
        self._kind = kind
        self._conversation = pair.account.name
        self._peer = pair.sender
        self._number = 0
        self._flowing = False
        pair.sender.on_event = self._on_event

    def start(self) -> None:
        """Keep `saturated.OUTSTANDING` changes under way until `stop`."""
        self._flowing = True
        for _ in range(saturated.OUTSTANDING):
            self._change()

    def stop(self) -> None:
        """Start no more changes."""
        self._flowing = False

    def _change(self) -> None:
        turn, place = divmod(self._number, MESSAGES)
        self._number += 1
        where = f'"conversationId":"{self._conversation}","seq":{place + 1}'
        if self._kind == "edit":
            text = f'{{"type":"message.edit","payload":{{{where},"content":"text number {self._number:016d}, {"." * 70}"}}}}'
        else:
            what = "remove" if turn % 2 else "add"
            text = f'{{"type":"reaction.{what}","payload":{{{where},"emoji":"👍"}}}}'
        self.sent_at.append(time.perf_counter())
        self._peer.send(text.encode())

    def _on_event(self, _peer: Peer, event: SeenEvent) -> None:
        if event.error is not None:
            self.errors[event.error["code"]] += 1
        elif event.type != ANSWERS[self._kind]:
            return
        self.latencies.append(time.perf_counter() - self.sent_at.popleft())
        if self._flowing:
            self._change()


async def run(bench: Bench, kind: Kind) -> Outcome:
    """Create pairs with some messages, and let one user of each change them at full speed."""
    what = f"{bench.target.name}, {kind}"
    seconds = saturated.QUICK_SECONDS if bench.quick else saturated.MEASURED_SECONDS
    async with rest_of(bench.target) as rest:
        pairs = await gather_pairs(bench.target, rest, bench.prefix(kind), saturated.PAIRS)
    await _store(pairs)
    people = [Changes(pair, kind) for pair in pairs]
    async with bench.stages.timed(f"{what}: warming up", saturated.WARM_SECONDS):
        for one in people:
            one.start()
        await sleep(saturated.WARM_SECONDS)
    async with bench.stages.timed(f"{what}: measuring", seconds):
        for one in people:
            one.latencies.clear()
        window = Window(bench.target)
        await sleep(seconds)
        window.close()
    latencies = [each for one in people for each in one.latencies]
    for one in people:
        one.stop()
    await _drain(people)
    for pair in pairs:
        pair.sender.cut()
        pair.receiver.cut()
    return Outcome(
        scenario=kind,
        target=bench.target.name,
        unit=kind,
        count=len(latencies),
        seconds=window.seconds,
        cpu_us=window.each_us(len(latencies)),
        generator_us=window.generator_us(len(latencies)),
        ack_ms=summarize(latencies),
        extra=window.disturbance(),
        errors=dict(sum((one.errors for one in people), Counter())),
    )


async def _store(pairs: list[Pair]) -> None:
    """Send the messages that will be changed."""
    traffic = Traffic(pairs)
    for pair in pairs:
        for _ in range(MESSAGES):
            pair.send(time.perf_counter())
    await traffic.finish()


async def _drain(people: list[Changes]) -> None:
    """Wait for the last answers."""
    deadline = time.perf_counter() + DRAIN_SECONDS
    while any(one.sent_at for one in people) and time.perf_counter() < deadline:  # noqa: ASYNC110 - fifty are waited for
        await sleep(0.05)


edits = partial(run, kind="edit")
"""The scenario of edits."""
reactions = partial(run, kind="reaction")
"""The scenario of reactions."""
