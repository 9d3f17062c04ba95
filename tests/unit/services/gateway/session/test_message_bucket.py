"""Which messages pass without asking Redis."""

from services.gateway.session.message_bucket import MessageBucket
from services.gateway.transport.frames import Burst
from shared.protocol import relay

INTERVAL, BURST = 2.0, 32
SENT, OTHER = '{"type":"message.sent","payload":{}', '{"type":"message.new","payload":{}'


def burst(first: int, *texts: str) -> Burst:
    return Burst.framed([relay.DurableEvent("u", first + place, False, text, "t") for place, text in enumerate(texts)])


def test_a_quarter_of_a_bucket_is_spent_without_asking() -> None:
    bucket = MessageBucket(1, full_at=2.0, generation=0)
    assert [bucket.take(1, 0.0, INTERVAL, BURST) for _ in range(8)] == [True] * 7 + [False]


def test_a_bucket_fills_up_again() -> None:
    bucket = MessageBucket(1, full_at=16.0, generation=0)
    assert not bucket.take(1, 0.0, INTERVAL, BURST)
    assert bucket.take(1, 2.0, INTERVAL, BURST)
    assert bucket.take(8, 1000.0, INTERVAL, BURST)


def test_what_is_refused_takes_nothing() -> None:
    bucket = MessageBucket(1, full_at=2.0, generation=0)
    assert not bucket.take(8, 0.0, INTERVAL, BURST)
    assert bucket.take(7, 0.0, INTERVAL, BURST)


def test_it_knows_what_was_sent_here() -> None:
    bucket = MessageBucket(1, full_at=2.0, generation=0)
    assert bucket.all_sent_here(burst(1, OTHER, SENT, OTHER))
    assert bucket.take(2, 0.0, INTERVAL, BURST)
    assert bucket.all_sent_here(burst(4, SENT, SENT))
    assert not bucket.all_sent_here(burst(6, SENT))


def test_two_connections_that_get_the_same_events_count_them_once() -> None:
    bucket = MessageBucket(1, full_at=2.0, generation=0)
    both = burst(1, SENT)
    assert [bucket.all_sent_here(both) for _ in range(2)] == [True, True]
    assert not bucket.all_sent_here(burst(2, SENT))
