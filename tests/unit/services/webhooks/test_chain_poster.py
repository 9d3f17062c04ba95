"""What becomes of a chain of events: PostgreSQL and the endpoint are played by lists."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from services.webhooks.chain_poster import FRESH_SECONDS, ChainPoster
from services.webhooks.deletions import Deletions
from services.webhooks.event_store import EventStore, WaitingEvent
from services.webhooks.sender import Refused, Sender
from shared.outbound.circuit import FAILURES, Circuit
from shared.tracing import use_tracer

RETRY = timedelta(hours=24)


class Store:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.deleted: list[int] = []
        self.delayed: dict[int, datetime] = {}
        self.refused: list[int] = []
        self.dead: list[int] = []
        self.gone: set[int] = set()

    async def find(self, event_id: int) -> tuple[str, datetime, str] | None:
        return None if event_id in self.gone else ("message.created", datetime.now(UTC), '{"content":null}')

    async def delay(self, retry_at: Mapping[int, datetime]) -> None:
        self.delayed |= retry_at

    async def schedule_retry(self, event_id: int, _retry_at: datetime, _reason: str) -> None:
        self.refused.append(event_id)

    async def dead_letter(self, event_id: int, _reason: str) -> None:
        self.dead.append(event_id)

    async def delete(self, ids: list[int]) -> None:
        self.deleted += ids


class Endpoint:
    """Refuses the ids in `refuses`."""

    name = "endpoint"

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.taken: list[tuple[str, str]] = []

    async def post(self, event_id: str, _type: str, _at: datetime, data: str) -> None:
        if event_id in self.refuses:
            raise Refused("status 500", "")
        self.taken.append((event_id, data))


class World:
    def __init__(self) -> None:
        self.store = Store()
        self.endpoint = Endpoint()
        self.circuit = Circuit(time.monotonic)
        store = cast(EventStore, self.store)
        self.deletions = Deletions(store)
        self.poster = ChainPoster(store, cast(Sender, self.endpoint), self.deletions, self.circuit, RETRY)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    deleting = asyncio.create_task(made.deletions.run())
    yield made
    deleting.cancel()
    await asyncio.wait([deleting])


def waiting(number: int, *, attempts: int = 0, refused_before: timedelta | None = None) -> WaitingEvent:
    first = None if refused_before is None else datetime.now(UTC) - refused_before
    return WaitingEvent(number, f"e{number}", "key", "message.created", datetime.now(UTC), "{}", first, attempts)


async def test_what_is_taken_is_deleted_before_the_key_is_let_go(world: World) -> None:
    assert await world.poster.post([waiting(1), waiting(2)], time.monotonic()) is None
    assert world.store.deleted == [1, 2]


async def test_what_is_behind_a_refused_event_waits_as_long_as_that_does(world: World) -> None:
    world.endpoint.refuses = {"e2"}
    retry_at = await world.poster.post([waiting(1), waiting(2), waiting(3)], time.monotonic())
    assert retry_at is not None
    assert [event_id for event_id, _ in world.endpoint.taken] == ["e1"]
    assert (world.store.refused, world.store.delayed, world.store.deleted) == ([2], {3: retry_at}, [1])


async def test_an_event_that_was_refused_for_too_long_is_a_dead_letter(world: World) -> None:
    world.endpoint.refuses = {"e1"}
    chain = [waiting(1, attempts=9, refused_before=RETRY + timedelta(seconds=1)), waiting(2)]
    assert await world.poster.post(chain, time.monotonic()) is None
    assert (world.store.dead, world.store.deleted) == ([1], [2])


async def test_an_event_that_was_read_long_ago_is_read_again(world: World) -> None:
    world.store.gone = {1}
    await world.poster.post([waiting(1), waiting(2)], time.monotonic() - FRESH_SECONDS - 1)
    assert world.endpoint.taken == [("e2", '{"content":null}')]


async def test_one_conversation_that_is_always_refused_opens_no_circuit(world: World) -> None:
    world.endpoint.refuses = {"e1"}
    for attempt in range(1, 2 * FAILURES):
        await world.poster.post([waiting(1, attempts=attempt, refused_before=timedelta(0))], time.monotonic())
    assert not world.circuit.is_open


async def test_the_circuit_opens_when_all_new_events_are_refused(world: World) -> None:
    world.endpoint.refuses = {f"e{number}" for number in range(FAILURES)}
    for number in range(FAILURES):
        await world.poster.post([waiting(number)], time.monotonic())
    assert world.circuit.is_open
    assert await world.poster.post([waiting(99)], time.monotonic()) is not None
    assert list(world.store.delayed) == [99]


async def test_what_was_taken_is_deleted_although_the_work_is_cancelled(world: World) -> None:
    stuck = asyncio.Event()

    async def post(event_id: str, _type: str, _at: datetime, data: str) -> None:
        if event_id == "e2":
            stuck.set()
            await asyncio.Event().wait()

    world.endpoint.post = post  # type: ignore[method-assign]
    work = asyncio.create_task(world.poster.post([waiting(1), waiting(2)], time.monotonic()))
    await stuck.wait()
    work.cancel()
    await asyncio.wait([work])
    await world.deletions.settled()
    assert world.store.deleted == [1]


async def test_each_post_is_a_span_that_names_its_event(world: World) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use_tracer(provider.get_tracer("test"))
    world.endpoint.refuses = {"e2"}
    try:
        await world.poster.post([waiting(1), waiting(2)], time.monotonic())
    finally:
        use_tracer(None)
    spans = [
        (span.name, dict(span.attributes or {}), span.status.status_code) for span in exporter.get_finished_spans()
    ]
    about = {"chat.event_types": ("message.created",), "chat.endpoints": ("endpoint",)}
    assert spans == [
        ("webhooks.post", {"chat.event_ids": ("e1",), **about}, StatusCode.UNSET),
        ("webhooks.post", {"chat.event_ids": ("e2",), **about}, StatusCode.ERROR),
    ]
