"""Which events were written to a connection since its last sign of life."""

from services.gateway.session.unseen import MAX_BYTES, MAX_MESSAGES, UnseenMessages


def test_the_oldest_comes_out_first() -> None:
    unseen = UnseenMessages()
    unseen.add([b"one"], 1.0)
    unseen.add([b"two"], 2.0)
    assert (unseen.since, unseen.pop(), unseen.since, len(unseen)) == (1.0, b"one", 2.0, 1)
    assert b"two" in unseen
    assert b"one" not in unseen


def test_the_newest_count_by_number_and_by_size() -> None:
    unseen = UnseenMessages()
    for number in range(MAX_MESSAGES + 5):
        unseen.add([b"%d" % number], number)
    assert (len(unseen), unseen.since) == (MAX_MESSAGES, 5)
    unseen.add([b"x" * (MAX_BYTES - 10)], 100.0)
    assert len(unseen) == 6
    assert b"%d" % (MAX_MESSAGES + 4) in unseen


def test_of_several_at_once_the_newest_are_kept() -> None:
    unseen = UnseenMessages()
    unseen.add([b"%d" % number for number in range(MAX_MESSAGES + 5)], 1.0)
    assert (len(unseen), unseen.pop()) == (MAX_MESSAGES, b"5")


def test_one_that_is_larger_than_all_is_kept_alone() -> None:
    unseen = UnseenMessages()
    unseen.add([b"small"], 1.0)
    unseen.add([b"x" * (MAX_BYTES + 1)], 2.0)
    assert (len(unseen), unseen.since) == (1, 2.0)
