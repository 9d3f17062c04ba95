"""A user's day, shortened: connect, open the list, read, send and receive messages, and reconnect twice."""

import asyncio
import random
from functools import partial
from typing import Final

from tools.bench.bench import Bench
from tools.bench.friends import befriend
from tools.bench.latency import summarize
from tools.bench.outcome import Outcome
from tools.bench.people import Rest, rest_of, together
from tools.bench.person import SENDS, Person
from tools.bench.window import Window

PAIRS: Final = 100
QUICK_PAIRS: Final = 40
WARM_PAIRS: Final = 2
SEED: Final = 20240101


async def run(bench: Bench) -> Outcome:
    """Let friends live their days, all at the same time. The unit is a person."""
    name = bench.target.name
    count = QUICK_PAIRS if bench.quick else PAIRS
    async with rest_of(bench.target) as rest:
        people = await _gather(bench, rest, "day", count)
        early = await _gather(bench, rest, "early", WARM_PAIRS)
    async with bench.stages.timed(f"{name}, day: warming up", 10):
        await asyncio.gather(*(person.live() for person in early))
    async with bench.stages.timed(f"{name}, day: measuring", 12):
        window = Window(bench.target)
        await asyncio.gather(*(person.live() for person in people))
        window.close()
    for person in [*people, *early]:
        person.leave()
    faults = sum(person.faults for person in people)
    seen = sum(len(person.seen) for person in people)
    return Outcome(
        scenario="day",
        target=name,
        unit="person",
        count=len(people),
        seconds=window.seconds,
        cpu_us=window.each_us(len(people)),
        generator_us=window.generator_us(len(people)),
        ack_ms=summarize([latency for person in people for latency in person.latencies]),
        extra={"seen_percent": round(100 * seen / (2 * SENDS * len(people)), 2), **window.disturbance()},
        errors={"failed calls": faults} if faults else {},
    )


async def _gather(bench: Bench, rest: Rest, what: str, count: int) -> list[Person]:
    """Create pairs of friends with one conversation each, and don't connect them yet."""
    chance = random.Random(SEED)  # noqa: S311 - the same days in each run
    names = [(f"{bench.prefix(what)}-a{n}", f"{bench.prefix(what)}-b{n}") for n in range(count)]
    conversations = await together(partial(rest.open_conversation, a, b) for a, b in names)
    users = await together(partial(rest.call, name, "GET", "/chat/users/me") for pair in names for name in pair)
    ids = [str(user["id"]) for user in users]
    pairs = list(zip(ids[::2], ids[1::2], strict=True))
    await befriend(bench.target, [*pairs, *((b, a) for a, b in pairs)])
    return [
        Person(bench.target, name, conversation, chance)
        for pair, conversation in zip(names, conversations, strict=True)
        for name in pair
    ]
