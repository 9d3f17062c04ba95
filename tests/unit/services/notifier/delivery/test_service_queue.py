"""A service queue's room, places and turns, and what its circuit learns from."""

import asyncio

import pytest

from services.notifier.delivery.outcome import CIRCUIT_OPEN, QUEUE_FULL, UNASKED, Disposition, Outcome, Reason
from services.notifier.delivery.service_queue import ServiceQueue
from shared.outbound.circuit import FAILURES


@pytest.fixture
def queue() -> ServiceQueue:
    """A queue of two places."""
    return ServiceQueue("push.example", 2)


def test_twenty_times_as_many_may_enter_as_there_are_places(queue: ServiceQueue) -> None:
    for _ in range(40):
        assert queue.refusal() is None
        queue.enter()
    assert queue.refusal() is QUEUE_FULL
    queue.leave()
    assert queue.refusal() is None


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.UNREACHABLE])
def test_a_service_that_doesn_t_answer_closes_its_queue(queue: ServiceQueue, reason: Reason) -> None:
    for _ in range(FAILURES):
        assert queue.refusal() is None
        queue.learn(Outcome(Disposition.RETRY, reason))
    assert queue.refusal() is CIRCUIT_OPEN


@pytest.mark.parametrize("reason", sorted(UNASKED))
def test_endpoints_that_lead_nowhere_say_nothing_of_the_service(queue: ServiceQueue, reason: Reason) -> None:
    for _ in range(FAILURES - 1):
        queue.learn(Outcome(Disposition.RETRY, Reason.TIMEOUT))
    for _ in range(FAILURES):
        queue.learn(Outcome(Disposition.DROPPED, reason))
    assert queue.refusal() is None
    queue.learn(Outcome(Disposition.RETRY, Reason.TIMEOUT))
    assert queue.refusal() is CIRCUIT_OPEN


@pytest.mark.parametrize("reason", [Reason.SERVICE_ERROR, Reason.THROTTLED, Reason.GONE, Reason.KEY_REFUSED])
def test_any_answer_is_one(queue: ServiceQueue, reason: Reason) -> None:
    for _ in range(3):
        for _ in range(FAILURES - 1):
            queue.learn(Outcome(Disposition.RETRY, Reason.TIMEOUT))
        queue.learn(Outcome(Disposition.RETRY, reason))
    assert queue.refusal() is None


async def test_places_are_shared_and_each_subscription_waits_its_turn(queue: ServiceQueue) -> None:
    begun: list[str] = []
    go_on = asyncio.Event()

    async def use(name: str) -> None:
        async with queue.place(name[0]):
            begun.append(name)
            await go_on.wait()

    tasks = [asyncio.create_task(use(name)) for name in ("a1", "a2", "a3", "b1", "c1")]
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun == ["a1", "b1"]
    go_on.set()
    await asyncio.gather(*tasks)
    assert [name for name in begun if name[0] == "a"] == ["a1", "a2", "a3"]
