"""Order keys that wait behind a refused event."""

from datetime import UTC, datetime, timedelta

from services.webhooks.held import HeldKeys

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_keys_are_due_in_the_order_of_their_times() -> None:
    held = HeldKeys({"b": later(2), "a": later(1), "c": later(9)})
    assert held.due(later(3), 5, ()) == ["a", "b"]
    assert held.due(later(3), 5, ()) == []


def test_a_key_that_is_worked_on_is_not_begun_a_second_time() -> None:
    held = HeldKeys({"a": NOW})
    assert held.due(NOW, 5, ()) == ["a"]
    held.hasten(later(1))
    assert held.due(later(1), 5, {"a"}) == []
    assert held.due(later(1), 5, ()) == ["a"]


def test_a_released_key_is_due_no_more() -> None:
    held = HeldKeys({"a": NOW})
    held.release("a")
    assert held.due(later(1), 5, ()) == []
    assert len(held) == 0
