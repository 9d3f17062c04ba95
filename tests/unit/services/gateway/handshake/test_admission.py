"""services.gateway.handshake.admission: who is let in."""

from typing import Any

import pytest

from services.gateway.handshake.admission import Admission
from services.gateway.session.hub import Hub
from shared.protocol.errors import ProtocolError


class Held:
    """What the hub needs of a connection."""

    def __init__(self, number: int) -> None:
        self.id = str(number)
        self.user_id = "u"


def hub_with(count: int) -> Hub:
    hub = Hub()
    for number in range(count):
        held: Any = Held(number)
        hub.add(held)
    return hub


def admitted(admission: Admission, now: float, *, returning: bool) -> int:
    count = 0
    while count < 10_000:
        try:
            admission.admit(now, returning=returning)
        except ProtocolError:
            return count
        count += 1
    return count


def test_the_limit_of_connections() -> None:
    Admission(hub_with(9), 10, 0).admit(0.0, returning=False)
    with pytest.raises(ProtocolError) as refusal:
        Admission(hub_with(10), 10, 0).admit(0.0, returning=True)
    assert refusal.value.status == 503
    assert refusal.value.event.error.retry_after


def test_a_draining_gateway_lets_nobody_in() -> None:
    admission = Admission(Hub(), 10, 0)
    admission.draining = True
    with pytest.raises(ProtocolError):
        admission.admit(0.0, returning=True)


def test_cold_clients_leave_half_the_burst_to_those_who_return() -> None:
    admission = Admission(Hub(), 10, 100)
    assert admitted(admission, 1000.0, returning=False) == 100
    assert admitted(admission, 1000.0, returning=True) == 100
    assert admitted(admission, 1000.5, returning=False) == 0
    assert admitted(admission, 1000.5, returning=True) == 50


def test_a_low_rate_still_lets_everybody_in_at_last() -> None:
    admission = Admission(Hub(), 10, 0.1)
    assert admitted(admission, 1000.0, returning=False) == 1
    assert admitted(admission, 1005.0, returning=False) == 0
    assert admitted(admission, 1010.1, returning=False) == 1


def test_retry_after_says_when_there_is_room() -> None:
    admission = Admission(Hub(), 10, 10)
    admitted(admission, 1000.0, returning=True)
    with pytest.raises(ProtocolError) as refusal:
        admission.admit(1000.0, returning=False)
    wait = refusal.value.event.error.retry_after
    assert isinstance(wait, float)
    admission.admit(1000.0 + wait + 1e-6, returning=False)


def test_no_rate_means_no_limit() -> None:
    assert admitted(Admission(Hub(), 10, 0), 0.0, returning=False) == 10_000
