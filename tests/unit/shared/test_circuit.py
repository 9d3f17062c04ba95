"""The circuit breaker, on a clock of its own."""

import pytest

from shared.outbound.circuit import FAILURES, LONGEST_SECONDS, SHORTEST_SECONDS, Circuit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    """A circuit that has just opened."""
    circuit = Circuit(clock)
    for _ in range(FAILURES):
        assert circuit.admit()
        circuit.failed()
    return circuit


def test_it_opens_after_failures_in_a_row(circuit: Circuit) -> None:
    assert circuit.is_open
    assert not circuit.would_admit
    assert not circuit.admit()


def test_an_answer_in_between_keeps_it_closed(clock: Clock) -> None:
    circuit = Circuit(clock)
    for _ in range(10):
        for _ in range(FAILURES - 1):
            circuit.failed()
        circuit.succeeded()
    assert not circuit.is_open
    assert circuit.admit()


def test_one_probe_passes_after_a_while(circuit: Circuit, clock: Clock) -> None:
    clock.now += SHORTEST_SECONDS
    assert circuit.admit()
    assert not circuit.admit()
    circuit.succeeded()
    assert not circuit.is_open
    assert circuit.admit()
    assert circuit.admit()


def test_failed_probes_double_the_wait_up_to_a_limit(circuit: Circuit, clock: Clock) -> None:
    wait = SHORTEST_SECONDS
    for _ in range(10):
        clock.now += wait
        assert circuit.admit()
        circuit.failed()
        wait = min(wait * 2, LONGEST_SECONDS)
        clock.now += wait - 0.001
        assert not circuit.admit()
        clock.now -= wait - 0.001


def test_stragglers_don_t_lengthen_the_wait(circuit: Circuit, clock: Clock) -> None:
    for _ in range(100):
        circuit.failed()
    clock.now += SHORTEST_SECONDS
    assert circuit.would_admit


def test_a_probe_that_never_reports_is_replaced(circuit: Circuit, clock: Clock) -> None:
    clock.now += SHORTEST_SECONDS
    assert circuit.admit()
    clock.now += SHORTEST_SECONDS
    assert circuit.admit()


def test_success_forgets_the_past(circuit: Circuit) -> None:
    circuit.succeeded()
    for _ in range(FAILURES - 1):
        circuit.failed()
    assert not circuit.is_open
