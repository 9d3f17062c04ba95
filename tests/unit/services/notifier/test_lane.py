"""A lane's room, places and turns, and what its circuit learns from."""

import asyncio

import pytest

from services.notifier.circuit import FAILURES
from services.notifier.lane import Lane
from services.notifier.outcome import CIRCUIT_OPEN, LANE_FULL, UNASKED, Fate, Outcome, Reason


@pytest.fixture
def lane() -> Lane:
    """A lane of two places."""
    return Lane("push.example", 2)


def test_five_times_as_many_may_enter_as_there_are_places(lane: Lane) -> None:
    for _ in range(10):
        assert lane.refusal() is None
        lane.enter()
    assert lane.refusal() is LANE_FULL
    lane.leave()
    assert lane.refusal() is None


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.UNREACHABLE])
def test_a_service_that_doesn_t_answer_closes_its_lane(lane: Lane, reason: Reason) -> None:
    for _ in range(FAILURES):
        assert lane.refusal() is None
        lane.learn(Outcome(Fate.RETRY, reason))
    assert lane.refusal() is CIRCUIT_OPEN


@pytest.mark.parametrize("reason", sorted(UNASKED))
def test_endpoints_that_lead_nowhere_say_nothing_of_the_service(lane: Lane, reason: Reason) -> None:
    for _ in range(FAILURES - 1):
        lane.learn(Outcome(Fate.RETRY, Reason.TIMEOUT))
    for _ in range(FAILURES):
        lane.learn(Outcome(Fate.DROPPED, reason))
    assert lane.refusal() is None
    lane.learn(Outcome(Fate.RETRY, Reason.TIMEOUT))
    assert lane.refusal() is CIRCUIT_OPEN


@pytest.mark.parametrize("reason", [Reason.SERVICE_ERROR, Reason.THROTTLED, Reason.GONE, Reason.KEY_REFUSED])
def test_any_answer_is_one(lane: Lane, reason: Reason) -> None:
    for _ in range(3):
        for _ in range(FAILURES - 1):
            lane.learn(Outcome(Fate.RETRY, Reason.TIMEOUT))
        lane.learn(Outcome(Fate.RETRY, reason))
    assert lane.refusal() is None


async def test_places_are_shared_and_each_subscription_waits_its_turn(lane: Lane) -> None:
    begun: list[str] = []
    go_on = asyncio.Event()

    async def use(name: str) -> None:
        async with lane.place(name[0]):
            begun.append(name)
            await go_on.wait()

    tasks = [asyncio.create_task(use(name)) for name in ("a1", "a2", "a3", "b1", "c1")]
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun == ["a1", "b1"]
    go_on.set()
    await asyncio.gather(*tasks)
    assert [name for name in begun if name[0] == "a"] == ["a1", "a2", "a3"]
