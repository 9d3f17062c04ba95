"""services.gateway.handshake.admission: who is let in."""

import asyncio
import time
from typing import Any, cast

import pytest

from services.gateway.handshake.admission import Admission
from services.gateway.session.hub import Hub
from services.gateway.user_budgets import Budget, Grant, Wanted
from shared.protocol.errors import ProtocolError


class Held:
    """What the hub needs of a connection."""

    def __init__(self, number: int) -> None:
        self.id = str(number)
        self.user_id = "u"


class Budgets:
    """Every user may make so many handshakes; None: any number."""

    def __init__(self, handshakes: int | None = None) -> None:
        self.left = handshakes

    def is_limited(self, _budget: Budget) -> bool:
        return self.left is not None

    async def take(self, wanted: Wanted) -> dict[tuple[str, Budget], Grant]:
        (key,) = wanted
        assert self.left is not None
        allowed, self.left = min(self.left, 1), max(self.left - 1, 0)
        return {key: Grant(allowed, 1.5, 2.5, one_gateway=True)}


UNLIMITED: Any = Budgets()


def hub_with(count: int) -> Hub:
    hub = Hub()
    for number in range(count):
        held: Any = Held(number)
        hub.add(held)
    return hub


async def admitted(admission: Admission, now: float, *, returning: bool) -> int:
    count = 0
    while count < 10_000:
        try:
            if not await admission.admit("u", now, returning=returning):
                await admission.count("u")
        except ProtocolError:
            return count
        count += 1
    return count


async def flood(admission: Admission) -> ProtocolError:
    """Handshakes of one user whom the registering script would refuse, until one is refused before."""
    for _ in range(11):
        try:
            await admission.admit("u", 1000.0, returning=True)
        except ProtocolError as refusal:
            return refusal
        admission.give_back()
    raise AssertionError("nothing was refused")


async def test_the_limit_of_connections() -> None:
    await Admission(hub_with(9), UNLIMITED, 10, 0).admit("u", 0.0, returning=False)
    with pytest.raises(ProtocolError) as refusal:
        await Admission(hub_with(10), UNLIMITED, 10, 0).admit("u", 0.0, returning=True)
    assert refusal.value.status == 503
    assert refusal.value.event.error.retry_after


async def test_a_draining_gateway_lets_nobody_in() -> None:
    admission = Admission(Hub(), UNLIMITED, 10, 0)
    admission.draining = True
    with pytest.raises(ProtocolError):
        await admission.admit("u", 0.0, returning=True)


async def test_cold_clients_leave_half_the_burst_to_those_who_return() -> None:
    admission = Admission(Hub(), UNLIMITED, 10, 100)
    assert await admitted(admission, 1000.0, returning=False) == 100
    assert await admitted(admission, 1000.0, returning=True) == 100
    assert await admitted(admission, 1000.5, returning=False) == 0
    assert await admitted(admission, 1000.5, returning=True) == 50


async def test_a_low_rate_still_lets_everybody_in_at_last() -> None:
    admission = Admission(Hub(), UNLIMITED, 10, 0.1)
    assert await admitted(admission, 1000.0, returning=False) == 1
    assert await admitted(admission, 1005.0, returning=False) == 0
    assert await admitted(admission, 1010.1, returning=False) == 1


async def test_retry_after_says_when_there_is_room() -> None:
    admission = Admission(Hub(), UNLIMITED, 10, 10)
    await admitted(admission, 1000.0, returning=True)
    with pytest.raises(ProtocolError) as refusal:
        await admission.admit("u", 1000.0, returning=False)
    wait = refusal.value.event.error.retry_after
    assert isinstance(wait, float)
    await admission.admit("u", 1000.0 + wait + 1e-6, returning=False)


async def test_no_rate_means_no_limit() -> None:
    assert await admitted(Admission(Hub(), UNLIMITED, 10, 0), 0.0, returning=False) == 10_000


async def test_one_user_does_not_use_up_the_handshakes_of_all() -> None:
    """What is refused for the user's own budget takes nothing from the gateway's."""
    budgets: Any = Budgets(3)
    admission = Admission(Hub(), budgets, 10, 5)
    assert await admitted(admission, 1000.0, returning=True) == 3
    # The one that was let in before it was counted.
    admission.give_back()
    refusal = await flood(admission)
    assert refusal.status == 429
    assert refusal.event.error.retry_after == 1.5
    budgets.left = 100
    admitted_after = [await admission.admit("other", 1000.0, returning=True) for _ in range(7)]
    assert len(admitted_after) == 7
    with pytest.raises(ProtocolError):
        await admission.admit("other", 1000.0, returning=True)


async def test_handshakes_that_must_wait_are_counted_before_they_do() -> None:
    """Those of one user who floods must not hold sockets meanwhile."""
    budgets: Any = Budgets(0)
    admission = Admission(Hub(), budgets, 10, 0)
    await flood(admission)
    for _ in range(20):
        handshake = admission.admit("u", 1000.0, returning=True)
        with pytest.raises(ProtocolError):
            handshake.send(None)  # It ends at once: a wait would be a result.


async def test_handshakes_of_one_user_do_not_come_all_at_once() -> None:
    """Ten at once, as many as a user may have connections; the others wait their turn."""
    admission = Admission(Hub(), cast(Any, Budgets(100)), 10, 0)
    for _ in range(10):
        await admission.admit("u", 1000.0, returning=True)
    began = time.monotonic()
    await admission.admit("u", 1000.0, returning=True)
    assert time.monotonic() - began >= 0.09
    others = asyncio.create_task(admission.admit("u", 1000.0, returning=True))
    await admission.admit("other", 1000.0, returning=True)
    assert not others.done()
    await others


async def test_a_handshake_that_waited_comes_after_those_that_came_meanwhile() -> None:
    """Counted at the time when it began to wait, it was refused although there was room."""
    admission = Admission(Hub(), cast(Any, Budgets(100)), 100, 10)
    for _ in range(10):
        await admission.admit("u", 1000.0, returning=True)
    waiting = asyncio.create_task(admission.admit("u", 1000.0, returning=True))
    await asyncio.sleep(0)
    await admission.admit("other", 1005.0, returning=True)
    assert await waiting


async def test_a_handshake_that_waited_is_not_let_into_a_draining_gateway() -> None:
    admission = Admission(Hub(), cast(Any, Budgets(100)), 100, 0)
    for _ in range(10):
        await admission.admit("u", 1000.0, returning=True)
    waiting = asyncio.create_task(admission.admit("u", 1000.0, returning=True))
    await asyncio.sleep(0)
    admission.draining = True
    with pytest.raises(ProtocolError) as refusal:
        await waiting
    assert refusal.value.status == 503
