"""Order keys: claimed by one worker, or delayed until a time."""

from datetime import UTC, datetime, timedelta

from services.webhooks.order_keys import OrderKeys

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_delayed_keys_are_claimed_in_the_order_of_their_times() -> None:
    keys = OrderKeys({"b": later(2), "a": later(1), "c": later(9)})
    assert keys.claim_due(later(3), 5) == ["a", "b"]
    assert keys.claim_due(later(3), 5) == []
    assert (sorted(keys.claimed), keys.delayed_count) == (["a", "b"], 1)


def test_a_key_that_is_delayed_twice_until_one_time_is_claimed_once() -> None:
    keys = OrderKeys({})
    keys.claim("a")
    keys.delay("a", later(1))
    keys.delay("a", later(1))
    assert keys.claim_due(later(1), 5) == ["a"]
    assert keys.claim_due(later(1), 5) == []


def test_a_claimed_key_is_not_claimed_again() -> None:
    keys = OrderKeys({"a": NOW})
    assert keys.claim_due(NOW, 5) == ["a"]
    assert not keys.claim("a")
    keys.hasten(later(1))
    keys.restore({"a": NOW})
    assert keys.claim_due(later(1), 5) == []


def test_a_delayed_key_is_claimed_only_when_its_time_has_come() -> None:
    keys = OrderKeys({"a": later(5)})
    assert not keys.claim("a")
    assert keys.claim_due(later(4), 5) == []
    assert keys.retry_at("a") == later(5)
    assert keys.claim_due(later(5), 5) == ["a"]


def test_a_new_delay_of_a_key_replaces_the_old_one() -> None:
    keys = OrderKeys({"a": later(1)})
    keys.delay("a", later(5))
    assert keys.claim_due(later(2), 5) == []
    assert keys.claim_due(later(5), 5) == ["a"]


def test_a_released_key_is_idle() -> None:
    keys = OrderKeys({"a": NOW})
    keys.claim_due(NOW, 5)
    keys.release("a")
    assert (keys.claimed, keys.delayed_count) == ([], 0)
    assert keys.claim("a")


def test_no_more_are_claimed_than_asked_for() -> None:
    keys = OrderKeys({"a": NOW, "b": later(1), "c": later(2)})
    assert keys.claim_due(later(9), 2) == ["a", "b"]
    assert keys.claim_due(later(9), 2) == ["c"]


def test_delayed_keys_are_due_at_once_when_the_endpoint_is_back() -> None:
    keys = OrderKeys({"a": later(60)})
    keys.hasten(NOW)
    assert keys.claim_due(NOW, 5) == ["a"]


def test_what_another_replica_left_is_delayed_unless_it_is_known() -> None:
    keys = OrderKeys({"a": later(5)})
    keys.restore({"a": NOW, "b": later(1)})
    assert keys.claim_due(later(2), 5) == ["b"]
