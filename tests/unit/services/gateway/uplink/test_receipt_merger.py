"""services.gateway.uplink.receipt_merger: which receipts of a user are merged, and that none is lost."""

from typing import Any

import pytest

from services.gateway.rate_limit import BURST_SECONDS
from services.gateway.uplink.receipt_merger import MOST_HELD, ReceiptMerger
from shared.protocol import relay

PER_SECOND = 20
BURST = round(PER_SECOND * BURST_SECONDS)
NOW = 1_000.0


class Sender:
    """What the merger needs of a connection."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id


class Users:
    """What it needs of the hub."""

    def __init__(self, *connections: Sender) -> None:
        self.connections = list(connections)

    def of_user(self, user_id: str) -> list[Sender]:
        return [each for each in self.connections if each.user_id == user_id]


@pytest.fixture
def phone() -> Any:
    return Sender("alice")


@pytest.fixture
def laptop() -> Any:
    return Sender("alice")


@pytest.fixture
def sent() -> list[tuple[Any, Any]]:
    """What was passed on: the connection and the receipt."""
    return []


@pytest.fixture
def merger(phone: Any, laptop: Any, sent: list[tuple[Any, Any]]) -> ReceiptMerger:
    hub: Any = Users(phone, laptop)
    return ReceiptMerger(hub, lambda connection, receipt, _now: sent.append((connection, receipt)), PER_SECOND)


def read(seq: int | None, conversation: str = "c", at_ms: int = 0) -> relay.MarkRead:
    return relay.MarkRead("alice", "connection", conversation, seq, at_ms)


def delivered(seq: int, *, active: bool = True) -> relay.MarkDelivered:
    return relay.MarkDelivered("alice", "connection", "c", seq, active)


def use_up(merger: ReceiptMerger, connection: Any, sent: list[tuple[Any, Any]]) -> None:
    """Send as many receipts as one connection may at once."""
    for seq in range(1, BURST + 1):
        merger.submit(connection, read(seq), NOW)
    assert [receipt.seq for _, receipt in sent] == list(range(1, BURST + 1))
    sent.clear()


def test_receipts_beyond_the_rate_of_one_connection_are_merged(
    merger: ReceiptMerger, phone: Any, laptop: Any, sent: list[tuple[Any, Any]]
) -> None:
    """The highest seq counts, and the connection that asked last gets what goes wrong."""
    use_up(merger, phone, sent)
    for seq in (70, 90, 80):
        merger.submit(phone, read(seq), NOW)
        merger.submit(laptop, delivered(seq + 5), NOW)
    assert sent == []
    merger.flush(NOW + 0.25)
    assert sent == [(phone, read(90)), (laptop, delivered(95))]
    merger.flush(NOW + 0.5)
    assert len(sent) == 2
    merger.submit(phone, read(91), NOW + 1)
    assert sent[2:] == [(phone, read(91))]


def test_what_cannot_be_compared_is_not_merged(merger: ReceiptMerger, phone: Any, sent: list[tuple[Any, Any]]) -> None:
    """Other conversations, devices that aren't in use, and «read all» as of a time."""
    use_up(merger, phone, sent)
    receipts: list[relay.MarkRead | relay.MarkDelivered] = [
        read(3),
        read(None, at_ms=5),
        read(None, at_ms=6),
        read(2, "d"),
        delivered(4),
        delivered(3, active=False),
    ]
    for receipt in receipts:
        merger.submit(phone, receipt, NOW)
    merger.flush(NOW)
    assert [receipt for _, receipt in sent] == [receipt for receipt in receipts if receipt != read(None, at_ms=5)]


def test_one_connection_alone_has_every_receipt_passed_on(merger: ReceiptMerger, sent: list[tuple[Any, Any]]) -> None:
    """The limit of the connection itself has allowed them."""
    bob: Any = Sender("bob")
    for seq in range(10 * BURST):
        merger.submit(bob, read(seq), NOW)
    assert len(sent) == 10 * BURST


def test_what_is_held_is_bounded(merger: ReceiptMerger, phone: Any, sent: list[tuple[Any, Any]]) -> None:
    """What there is no room for goes at once."""
    use_up(merger, phone, sent)
    for number in range(MOST_HELD + 3):
        merger.submit(phone, read(1, f"conversation {number}"), NOW)
    assert len(sent) == 3
    merger.flush(NOW)
    assert len(sent) == MOST_HELD + 3


def test_nothing_is_lost_when_the_last_connection_ends(
    merger: ReceiptMerger, phone: Any, sent: list[tuple[Any, Any]]
) -> None:
    use_up(merger, phone, sent)
    merger.submit(phone, read(99), NOW)
    merger.forget("alice", NOW)
    assert sent == [(phone, read(99))]
    merger.flush(NOW)
    merger.forget("alice", NOW)
    assert len(sent) == 1
