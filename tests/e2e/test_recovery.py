"""Recovery: every missed event, or none (docs/protocol.md, «Connecting»)."""

import pytest

from tests.e2e.conftest import Pair
from tests.support.people import text_message
from tests.support.sockets import RawSocket


async def fill(socket: RawSocket, conversation: str, first: int, last: int) -> None:
    """Send messages «m<first>» … «m<last>», each acknowledged."""
    for number in range(first, last + 1):
        await socket.send("message.send", **text_message(conversation, f"m{number}", f"m{number}"))
        await socket.expect("message.sent", tempId=f"m{number}")


async def test_everything_missed_is_replayed_in_order_before_status_bulk(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await fill(alice, pair.conversation, 1, 2)
    await bob.expect("message.new")
    await bob.expect("message.new")
    cursor = bob.cursor
    await bob.cut()
    await fill(alice, pair.conversation, 3, 6)
    again = await pair.bob.connect(cursor=cursor)
    assert again.events[0]["payload"]["recovered"] is True
    assert [event["type"] for event in again.events] == ["connection.success", *["message.new"] * 4, "status.bulk"]
    assert [event["payload"]["message"]["seq"] for event in again.of_type("message.new")] == [3, 4, 5, 6]
    assert len({event["cursor"] for event in again.of_type("message.new")}) == 4


async def test_nothing_missed_is_recovered_too(pair: Pair) -> None:
    first = await pair.bob.connect(greet=False)
    success = await first.expect("connection.success")
    await first.close()
    again = await pair.bob.connect(cursor=success["payload"]["cursor"])
    assert again.events[0]["payload"]["recovered"] is True
    assert [event["type"] for event in again.events] == ["connection.success", "status.bulk"]


async def test_own_messages_and_receipts_are_replayed_on_another_device(pair: Pair) -> None:
    alice, tablet, bob = await pair.alice.connect(), await pair.alice.connect(), await pair.bob.connect()
    await fill(alice, pair.conversation, 1, 1)
    await tablet.expect("message.sent")
    cursor = tablet.cursor
    await tablet.close()
    await fill(alice, pair.conversation, 2, 2)
    await bob.send("message.delivered", conversationId=pair.conversation, seq=2)
    await alice.expect("message.delivered_update")
    await bob.send("message.read", conversationId=pair.conversation)
    await alice.expect("message.read_update")
    again = await pair.alice.connect(cursor=cursor)
    assert [event["type"] for event in again.events[1:-1]] == [
        "message.sent",
        "message.delivered_update",
        "message.read_update",
    ]


async def test_live_events_after_a_replay_have_no_gap_and_no_repeat(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await fill(alice, pair.conversation, 1, 1)
    await bob.expect("message.new")
    cursor = bob.cursor
    await bob.close()
    for number in range(2, 12):
        await alice.send("message.send", **text_message(pair.conversation, f"m{number}", f"m{number}"))
    again = await pair.bob.connect(cursor=cursor)
    for number in range(2, 12):
        await alice.expect("message.sent", tempId=f"m{number}")
        await again.expect("message.new")
    seqs = [event["payload"]["message"]["seq"] for event in again.of_type("message.new")]
    assert seqs == list(range(2, 12))


@pytest.mark.parametrize("cursor", ["nonsense", "1-1", "0-0", "-", "9" * 300, "1743002188800003-77", "สวัสดี", "+"])
async def test_a_cursor_that_is_not_ours_recovers_nothing_and_is_no_error(pair: Pair, cursor: str) -> None:
    alice = await pair.alice.connect()
    await fill(alice, pair.conversation, 1, 1)
    bob = await pair.bob.connect(cursor=cursor)
    assert bob.events[0]["payload"]["recovered"] is False
    assert [event["type"] for event in bob.events] == ["connection.success", "status.bulk"]


async def test_another_users_cursor_recovers_nothing(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await fill(alice, pair.conversation, 1, 1)
    await bob.expect("message.new")
    stolen = await pair.alice.connect(cursor=bob.cursor)
    assert stolen.events[0]["payload"]["recovered"] is False


async def test_the_new_cursor_serves_after_a_refused_one(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect(cursor="nonsense")
    cursor = bob.cursor
    await bob.close()
    await fill(alice, pair.conversation, 1, 1)
    again = await pair.bob.connect(cursor=cursor)
    assert again.events[0]["payload"]["recovered"] is True
    assert len(again.of_type("message.new")) == 1
