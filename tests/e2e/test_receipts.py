"""Receipts: delivered and read (docs/protocol.md, «Messages»)."""

from typing import Any

from tests.e2e.conftest import Pair
from tests.support.people import People, Person, text_message
from tests.support.sockets import RawSocket


async def send(socket: RawSocket, conversation: str, count: int) -> list[dict[str, Any]]:
    """Send so many messages, and return them as acknowledged."""
    messages = []
    for number in range(count):
        await socket.send("message.send", **text_message(conversation, f"m{number}", f"m{number}"))
        messages.append((await socket.expect("message.sent", tempId=f"m{number}"))["payload"]["message"])
    return messages


async def history(person: Person, conversation: str) -> dict[int, dict[str, Any]]:
    """seq → message."""
    page = await person.get(f"/chat/conversations/{conversation}/messages?afterSeq=0&limit=100")
    return {message["seq"]: message for message in page["items"]}


async def test_read_reaches_the_sender_and_all_devices_of_the_reader(pair: Pair) -> None:
    alice = await pair.alice.connect()
    bob, tablet = await pair.bob.connect(), await pair.bob.connect()
    await send(alice, pair.conversation, 2)
    await bob.send("message.read", conversationId=pair.conversation)
    update = await alice.expect("message.read_update", readBy=pair.bob.id, seq=2, conversationId=pair.conversation)
    assert update["cursor"]
    for device in (bob, tablet):
        ack = await device.expect("message.read_ack", conversationId=pair.conversation, seq=2)
        assert ack["payload"]["unread"] == {"conversation": 0, "total": 0}
        assert ack["payload"]["readAt"] == update["payload"]["readAt"]
        assert ack["cursor"]
    stored = await history(pair.alice, pair.conversation)
    assert [message["isRead"] for message in stored.values()] == [True, True]
    assert {message["readAt"] for message in stored.values()} == {update["payload"]["readAt"]}
    assert all(message["deliveredAt"] for message in stored.values())


async def test_read_up_to_a_seq_leaves_the_rest_unread(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await send(alice, pair.conversation, 3)
    await bob.send("message.read", conversationId=pair.conversation, seq=2)
    ack = await bob.expect("message.read_ack", seq=2)
    assert ack["payload"]["unread"] == {"conversation": 1, "total": 1}
    stored = await history(pair.bob, pair.conversation)
    assert {seq: message["isRead"] for seq, message in stored.items()} == {1: True, 2: True, 3: False}
    assert stored[3]["readAt"] is None


async def test_each_message_keeps_the_time_of_its_own_reading(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    times = []
    for seq in (1, 2):
        await alice.send("message.send", **text_message(pair.conversation, "hi", str(seq)))
        await alice.expect("message.sent", tempId=str(seq))
        await bob.send("message.read", conversationId=pair.conversation)
        times.append((await alice.expect("message.read_update", seq=seq))["payload"]["readAt"])
    stored = await history(pair.alice, pair.conversation)
    assert [stored[1]["readAt"], stored[2]["readAt"]] == times


async def test_a_seq_beyond_the_end_is_clamped(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await send(alice, pair.conversation, 1)
    await bob.send("message.read", conversationId=pair.conversation, seq=1000)
    await bob.expect("message.read_ack", seq=1)
    await send(alice, pair.conversation, 0)
    await alice.send("message.send", **text_message(pair.conversation, "later", "later"))
    await alice.expect("message.sent", tempId="later")
    assert (await history(pair.alice, pair.conversation))[2]["isRead"] is False


async def test_repeating_or_going_back_changes_nothing(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await send(alice, pair.conversation, 2)
    await bob.send("message.read", conversationId=pair.conversation)
    await alice.expect("message.read_update", seq=2)
    before = await history(pair.alice, pair.conversation)
    for seq in (1, 2):
        await bob.send("message.read", conversationId=pair.conversation, seq=seq)
        await bob.expect("message.read_ack")
    await alice.refute("message.read_update", within=0.3)
    assert await history(pair.alice, pair.conversation) == before


async def test_delivered_reaches_the_sender_once(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await send(alice, pair.conversation, 2)
    for _ in range(2):
        await bob.send("message.delivered", conversationId=pair.conversation, seq=2)
    update = await alice.expect("message.delivered_update", deliveredTo=pair.bob.id, seq=2)
    assert update["cursor"]
    await alice.refute("message.delivered_update", within=0.3)
    stored = await history(pair.alice, pair.conversation)
    assert {message["deliveredAt"] for message in stored.values()} == {update["payload"]["deliveredAt"]}
    assert not any(message["isRead"] for message in stored.values())


async def test_unread_counts_over_several_conversations(pair: Pair, people: People) -> None:
    carol = people.make("carol")
    other = await carol.conversation_with(pair.bob)
    bob, alice, carols = await pair.bob.connect(), await pair.alice.connect(), await carol.connect()
    await send(alice, pair.conversation, 2)
    await send(carols, other, 1)
    await bob.expect("message.new", unread={"conversation": 1, "total": 3})
    assert await pair.bob.get("/chat/unread") == {"total": 3, "conversations": {pair.conversation: 2, other: 1}}
    await bob.send("message.read", conversationId=pair.conversation)
    await bob.expect("message.read_ack", unread={"conversation": 0, "total": 1})
    assert await pair.bob.get("/chat/unread") == {"total": 1, "conversations": {other: 1}}


async def test_receipts_for_what_one_cannot_see_are_refused(pair: Pair, people: People) -> None:
    carol = await people.make("carol").connect()
    await carol.send("message.read", conversationId=pair.conversation)
    await carol.expect_error("conversation_not_found", type="message.read")
    await carol.send("message.delivered", conversationId=pair.conversation, seq=1)
    await carol.expect_error("conversation_not_found", type="message.delivered")
