"""`python -m tools.bench.webhook_cost`: measures what webhooks and the moderation hook cost a message, and their delay.

Each round measures three systems in turn, each with a stack of its own: `off` (no hook), `webhooks`, and `moderation`; all
with the same messages at the same rate. Then a full outbox is posted as fast as it goes. The platform's back end is a process
beside (`tools.bench.backend`), on the same cores; its CPU isn't counted.
"""

import asyncio
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

import asyncpg
import httpx
import msgspec
import typer
import uvloop
from rich.console import Console

from shared.protocol.webhooks import EventType, WebhookEvent
from shared.webhooks import Outbox, event
from tools.bench import fixed_rate
from tools.bench.backend import Summary
from tools.bench.bench import Bench
from tools.bench.limits import raise_open_files
from tools.bench.outcome import Outcome
from tools.bench.stage import Stages
from tools.bench.system import SETTINGS, USUAL, system
from tools.bench.target import Target

SYSTEMS: Final = ("off", "webhooks", "moderation")
SETTLED_SECONDS: Final = 60.0
"""Webhooks must have been posted this long after the last message."""
STORED: Final = 20_000
"""Events of the full outbox."""
CONVERSATIONS: Final = 1_000
"""Conversations that these events are spread over."""
EACH: Final = STORED // CONVERSATIONS


class Backend:
    """The platform's back end at `url`."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self._http = http

    async def summary(self) -> Summary:
        """Return what has arrived since the last summary."""
        answer = await self._http.get(f"{self.url}/summary")
        return msgspec.json.decode(answer.raise_for_status().content, type=Summary)


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    """Run a back end for the time of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.bench.backend", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(trust_env=False) as http:
            yield Backend(url, http)
    finally:
        process.terminate()
        await process.wait()


def settings_of(name: str, url: str) -> dict[str, str]:
    """Return the settings of one of the compared systems."""
    hooks = {"webhooks": {"CHAT_WEBHOOK_URLS": f"{url}/"}, "moderation": {"CHAT_MODERATION_URL": f"{url}/"}}
    return {**SETTINGS, "CHAT_WEBHOOK_URLS": "", "CHAT_MODERATION_URL": "", **hooks.get(name, {})}


async def settled(target: Target) -> None:
    """Wait until the outbox is empty. Raises TimeoutError."""
    connection = await asyncpg.connect(target.database_url)
    try:
        async with asyncio.timeout(SETTLED_SECONDS):
            while await connection.fetchval("SELECT EXISTS (SELECT FROM webhooks.events)"):  # noqa: ASYNC110 - another process's table
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def drain(target: Target, told: Backend) -> Summary:
    """Fill the outbox in one transaction, and wait until all events are posted."""
    events = [_message(str(uuid.uuid4()), 0) for _ in range(CONVERSATIONS)]
    everything = [_message(each.order_key, seq) for seq in range(1, EACH + 1) for each in events]
    connection = await asyncpg.connect(target.database_url)
    async with connection.transaction():
        await Outbox([f"{told.url}/"]).write(connection, everything)
    await connection.close()
    await settled(target)
    return await told.summary()


def _message(conversation: str, seq: int) -> WebhookEvent:
    data = {"conversationId": conversation, "seq": seq, "senderId": None, "type": "text", "content": "x" * 100}
    return event(EventType.MESSAGE_CREATED, conversation, data, seq)


async def measure(console: Console, rate: float, rounds: int, quick: bool) -> None:
    """Run all rounds, and print a line for each, and the medians."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in SYSTEMS}
    async with backend() as told:
        for number in range(rounds):
            for name in SYSTEMS if number % 2 == 0 else reversed(SYSTEMS):
                async with system(console, USUAL, name, settings_of(name, told.url)) as target:
                    with Stages(console) as stages:
                        outcome = await fixed_rate.run(Bench(target, stages, quick), rate)
                    outcomes[name].append(outcome)
                    _print(console, outcome)
                    await settled(target)
                    _print_summary(console, name, await told.summary())
                    if name == "webhooks" and number == 0:
                        began = time.monotonic()
                        _print_summary(console, "full outbox", await drain(target, told))
                        console.print(f"full outbox: gone {time.monotonic() - began:.1f} s after it was written")
    for name, measured in outcomes.items():
        console.print(f"{name}: median of {rounds}: {_medians(measured)}")


def _print(console: Console, outcome: Outcome) -> None:
    spent = ", ".join(f"{kind} {each:.0f}" for kind, each in outcome.cpu_us.items() if each >= 0.5)
    disturbed = outcome.extra.get("foreign_cpu_percent", 0)
    console.print(
        f"{outcome.target}: {outcome.rate:,.0f}/s, {_medians([outcome])}; µs: {spent}; {disturbed:.0f} % foreign"
    )
    for fault in outcome.faults:
        console.print(f"[red]{outcome.target}: {fault}[/]")


def _print_summary(console: Console, name: str, seen: Summary) -> None:
    if seen.messages:
        lag = seen.lag
        late = "" if lag is None else f"lag p50 {lag.p50:,.0f} / p99 {lag.p99:,.0f} / max {lag.max:,.0f} ms"
        rate = seen.messages / max(seen.seconds, 0.001)
        wrong = f"{seen.disorder} out of order, {seen.repeated} repeated"
        console.print(
            f"{name}: {seen.messages:,} messages told at {rate:,.0f}/s, {late}; {wrong}; {seen.others} others"
        )
    if seen.asked:
        console.print(f"{name}: asked about {seen.asked:,} messages in {seen.batches:,} calls")


def _medians(outcomes: list[Outcome]) -> str:
    acks = [outcome.ack_ms for outcome in outcomes if outcome.ack_ms is not None]
    cost = statistics.median(outcome.server_us for outcome in outcomes)
    p50 = statistics.median(ack.p50 for ack in acks)
    p99 = statistics.median(ack.p99 for ack in acks)
    return f"{cost:,.0f} µs of server CPU a message, ack p50 {p50:.1f} / p99 {p99:.1f} ms"


def main(
    rate: Annotated[float, typer.Option(min=1, help="Messages a second.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Each measures all three.")] = 2,
    quick: Annotated[bool, typer.Option(help="Windows of 5 s, and not of 15.")] = False,
) -> None:
    """Measure, and print the results."""
    raise_open_files()
    uvloop.run(measure(Console(width=160), rate, rounds, quick))


if __name__ == "__main__":
    typer.run(main)
