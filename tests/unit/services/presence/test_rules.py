"""The rules of presence, without a server."""

import pytest

from services.presence.rules import (
    MAX_RENEWAL_AGE_MS,
    Choose,
    Close,
    Hold,
    Kind,
    Lose,
    Timing,
    kinds_of,
    renewal,
    sign_of_life,
)
from shared.protocol.payloads import Status
from tests.support.presence_model import RenewalFeed, UserPresence, advance, effective, listen

LEASE, GRACE = 60_000, 5_000
TIMING = Timing(lease_ms=LEASE, grace_ms=GRACE, retry_ms=3_000)
NOW = 1_700_000_000_000


@pytest.fixture
def presence() -> UserPresence:
    return UserPresence()


def test_a_connect_is_told_once(presence: UserPresence) -> None:
    assert advance(presence, [Hold("a", NOW)], NOW, TIMING)
    assert not advance(presence, [Hold("a", NOW)], NOW, TIMING)
    assert not advance(presence, [Hold("b", NOW + 1)], NOW + 1, TIMING)
    assert effective(presence) == "online"


def test_a_clean_close_of_the_last_connection_is_told_at_once(presence: UserPresence) -> None:
    advance(presence, [Hold("a", NOW), Hold("b", NOW)], NOW, TIMING)
    assert not advance(presence, [Close("a", NOW + 1)], NOW + 1, TIMING)
    assert advance(presence, [Close("b", NOW + 2_000)], NOW + 2_000, TIMING)
    assert effective(presence) == "offline"
    assert presence.seen == NOW // 1000 + 2


def test_a_lost_connection_counts_for_the_grace(presence: UserPresence) -> None:
    advance(presence, [Hold("a", NOW)], NOW, TIMING)
    assert not advance(presence, [Lose("a", NOW)], NOW, TIMING)
    assert not advance(presence, [], NOW + GRACE - 1, TIMING)
    assert advance(presence, [], NOW + GRACE, TIMING)


def test_a_quick_reconnect_is_not_seen(presence: UserPresence) -> None:
    advance(presence, [Hold("a", NOW)], NOW, TIMING)
    advance(presence, [Lose("a", NOW)], NOW, TIMING)
    assert not advance(presence, [Hold("b", NOW + GRACE)], NOW + GRACE, TIMING)
    assert effective(presence) == "online"


def test_a_gateway_that_dies_ends_the_lease(presence: UserPresence) -> None:
    advance(presence, [Hold("a", NOW)], NOW, TIMING)
    advance(presence, [Hold("a", NOW + 20_000)], NOW + 20_000, TIMING)
    assert not advance(presence, [], NOW + LEASE + 19_999, TIMING)
    assert advance(presence, [], NOW + LEASE + 20_000, TIMING)
    assert presence.seen == NOW // 1000 + 20


@pytest.mark.parametrize(("end", "until"), [(Close("a", NOW + 5), NOW + 10), (Lose("a", NOW + 5), NOW + 5 + GRACE)])
def test_a_late_connect_or_renewal_makes_nobody_online(presence: UserPresence, end: Close | Lose, until: int) -> None:
    advance(presence, [end], NOW + 10, TIMING)
    assert not advance(presence, [Hold("a", NOW)], NOW + 11, TIMING)
    assert not advance(presence, [Hold("a", NOW + 6)], NOW + 12, TIMING)
    advance(presence, [], until, TIMING)
    assert effective(presence) == "offline"


def test_an_unknown_connection_counts_for_the_grace_when_lost(presence: UserPresence) -> None:
    """Redis lost its memory, and gateways send clients away for that: friends must not see them go."""
    advance(presence, [Lose("a", NOW)], NOW + 10, TIMING)
    assert effective(presence) == "online"
    assert not advance(presence, [Hold("b", NOW + 1_000)], NOW + 1_000, TIMING)
    assert not advance(presence, [], NOW + GRACE, TIMING)
    assert advance(UserPresence(), [Lose("a", NOW)], NOW + GRACE, TIMING)


def test_a_connect_older_than_a_lease_waits_for_a_renewal(presence: UserPresence) -> None:
    assert not advance(presence, [Hold("a", NOW - LEASE)], NOW, TIMING)
    assert advance(presence, [Hold("a", NOW)], NOW, TIMING)


def test_an_end_of_something_unknown_is_told_again_once(presence: UserPresence) -> None:
    """Redis may have lost its memory: then friends still show the user as online."""
    assert advance(presence, [Close("a", NOW)], NOW, TIMING)
    assert not advance(presence, [Close("a", NOW)], NOW, TIMING)


def test_busy_before_online_before_away(presence: UserPresence) -> None:
    advance(presence, [Choose("a", NOW, "away")], NOW, TIMING)
    assert effective(presence) == "away"
    advance(presence, [Hold("b", NOW)], NOW, TIMING)
    assert effective(presence) == "online"
    assert advance(presence, [Choose("b", NOW, "busy")], NOW, TIMING)
    assert effective(presence) == "busy"
    assert advance(presence, [Close("b", NOW)], NOW, TIMING)
    assert effective(presence) == "away"


def test_of_two_choices_the_later_counts_in_any_order(presence: UserPresence) -> None:
    advance(presence, [Choose("a", NOW + 2, "away")], NOW + 3, TIMING)
    assert not advance(presence, [Choose("a", NOW + 1, "busy")], NOW + 4, TIMING)
    assert effective(presence) == "away"


def test_a_choice_goes_with_its_connection(presence: UserPresence) -> None:
    advance(presence, [Choose("a", NOW, "busy")], NOW, TIMING)
    advance(presence, [Lose("a", NOW)], NOW, TIMING)
    advance(presence, [Hold("b", NOW)], NOW, TIMING)
    assert effective(presence) == "busy"
    assert advance(presence, [], NOW + GRACE, TIMING)
    assert effective(presence) == "online"


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("offline", "online", ["online"]),
        ("offline", "busy", ["online", "status"]),
        ("online", "away", ["status"]),
        ("busy", "offline", ["offline"]),
        ("offline", "offline", ["offline"]),
    ],
)
def test_each_change_of_status_has_its_events(before: Status, after: Status, kinds: list[Kind]) -> None:
    assert kinds_of(before, after) == kinds


def test_clocks_of_gateways_are_bounded() -> None:
    assert sign_of_life(NOW + 5_000, NOW) == NOW
    assert sign_of_life(NOW - 5_000, NOW) == NOW - 5_000
    assert renewal(NOW + 5_000, NOW) == NOW
    assert renewal(NOW - 3_600_000, NOW) == NOW - MAX_RENEWAL_AGE_MS


def test_missing_renewals_end_no_lease_while_nobody_consumes_them(presence: UserPresence) -> None:
    advance(presence, [Hold("a", NOW), Hold("b", NOW)], NOW, TIMING)
    advance(presence, [Lose("b", NOW)], NOW, TIMING)
    later = NOW + 2 * LEASE
    assert not advance(presence, [], NOW + GRACE, TIMING, trusted=later)
    assert presence.leases == {"a": NOW + LEASE}
    assert not advance(presence, [], later, TIMING, trusted=later + 10)
    assert presence.leases == {"a": later + 10}
    assert advance(presence, [], later + 10, TIMING, trusted=later + 10)


def test_expired_leases_count_only_after_renewals_were_consumed_for_a_while() -> None:
    feed = RenewalFeed()
    assert listen(feed, NOW, TIMING, listening=True) == NOW + TIMING.renewal_wait_ms
    for now in range(NOW, NOW + TIMING.renewal_wait_ms, TIMING.renewals_missing_ms):
        assert listen(feed, now, TIMING, listening=True) == NOW + TIMING.renewal_wait_ms
    back = now + TIMING.renewals_missing_ms + 1
    assert listen(feed, back, TIMING, listening=False) == back + TIMING.renewal_wait_ms
    assert feed.trusted == NOW + TIMING.renewal_wait_ms
    assert listen(feed, back, TIMING, listening=True) == feed.trusted == back + TIMING.renewal_wait_ms


def test_a_device_that_comes_back_away_is_not_shown_online_in_between(presence: UserPresence) -> None:
    advance(presence, [Choose("a", NOW, "away")], NOW, TIMING)
    advance(presence, [Lose("a", NOW + 10)], NOW + 10, TIMING)
    assert not advance(presence, [Hold("b", NOW + 1_000)], NOW + 1_000, TIMING)
    assert effective(presence) == "away"
    assert not advance(presence, [Choose("b", NOW + 1_100, "away")], NOW + 1_100, TIMING)
    assert not advance(presence, [], NOW + GRACE + 10, TIMING)
    assert effective(presence) == "away"


def test_a_device_that_comes_back_and_says_nothing_is_online_after_the_grace(presence: UserPresence) -> None:
    advance(presence, [Choose("a", NOW, "away"), Lose("a", NOW)], NOW, TIMING)
    advance(presence, [Hold("b", NOW + 1_000)], NOW + 1_000, TIMING)
    assert effective(presence) == "away"
    assert advance(presence, [], NOW + GRACE, TIMING)
    assert effective(presence) == "online"
