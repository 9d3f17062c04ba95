"""How fast one user's inbox is read for their connections."""

import itertools

from services.gateway.downlink.replay_pace import BYTES_A_SECOND, BYTES_AT_ONCE, MANY_USERS, ReplayPace
from services.gateway.registry.connections import PAGE_BYTES
from shared.protocol import limits

USER = "somebody"


def test_a_usual_inbox_is_read_at_once() -> None:
    """Of three devices that come back together, with 500 short messages each."""
    pace = ReplayPace()
    for _ in range(3 * limits.INBOX_EVENTS):
        assert pace.wait(USER, 10.0) == 0
        pace.count(USER, 600, 10.0)


def test_ten_sockets_with_whole_inboxes_take_their_time() -> None:
    """However many parts are asked for, in a minute no more is read than the pace allows, and one part."""
    pace = ReplayPace()
    read, now = 0, 10.0
    while now < 70.0:
        wait = pace.wait(USER, now)
        if wait:
            now += wait
            continue
        pace.count(USER, PAGE_BYTES, now)
        read += PAGE_BYTES
    assert read <= BYTES_AT_ONCE + 60 * BYTES_A_SECOND + PAGE_BYTES
    assert read >= 60 * BYTES_A_SECOND


def test_one_user_does_not_slow_another() -> None:
    """Each has a pace of their own."""
    pace = ReplayPace()
    pace.count(USER, 100 * BYTES_AT_ONCE, 10.0)
    assert pace.wait(USER, 10.0) > 0
    assert pace.wait("another", 10.0) == 0


def test_users_are_forgotten_when_all_is_paid_for() -> None:
    """So memory follows those who read now, not all who ever did."""
    pace = ReplayPace()
    for number, second in zip(range(20 * MANY_USERS), itertools.count(0, 1), strict=False):
        pace.count(f"user {number}", PAGE_BYTES, float(second))
    assert len(pace) <= MANY_USERS + 1


def test_nothing_read_costs_nothing() -> None:
    """A connection that has missed nothing isn't remembered."""
    pace = ReplayPace()
    pace.count(USER, 0, 10.0)
    assert len(pace) == 0
