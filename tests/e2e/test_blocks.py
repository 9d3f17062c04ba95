"""Blocks (docs/protocol.md, «Presence, typing, blocks, tokens»)."""

from tests.e2e.conftest import Pair
from tests.support.people import People, text_message
from tests.support.sockets import typing_on


async def test_neither_side_can_send_while_one_blocks(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await bob.send("block.add", username=pair.alice.username)
    added = await bob.expect("block.added", username=pair.alice.username)
    assert added["payload"]["blockedAt"]
    for socket, temp_id in ((alice, "a"), (bob, "b")):
        await socket.send("message.send", **text_message(pair.conversation, "hi", temp_id))
        error = await socket.expect_error("blocked", type="message.send", tempId=temp_id)
        assert error["error"]["message"] == "You cannot send messages to this user"
    await alice.refute("message.new", within=0.2)
    assert (await pair.alice.get(f"/chat/conversations/{pair.conversation}/messages"))["items"] == []


async def test_unblocking_lets_messages_pass_again(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await bob.send("block.add", username=pair.alice.username)
    await bob.expect("block.added")
    await bob.send("block.remove", username=pair.alice.username)
    removed = await bob.expect("block.removed", username=pair.alice.username)
    assert removed["payload"]["unblockedAt"]
    await alice.send("message.send", **text_message(pair.conversation, "hi", "t"))
    await alice.expect("message.sent", tempId="t")
    await bob.expect("message.new")


async def test_repeating_keeps_the_first_time(pair: Pair) -> None:
    bob = await pair.bob.connect()
    times = []
    for _ in range(2):
        await bob.send("block.add", username=pair.alice.username)
        times.append((await bob.expect("block.added"))["payload"]["blockedAt"])
    assert times[0] == times[1]
    listed = await pair.bob.get("/chat/blocks")
    assert listed["items"] == [{"username": pair.alice.username, "blockedAt": times[0]}]
    for _ in range(2):
        await bob.send("block.remove", username=pair.alice.username)
        await bob.expect("block.removed", username=pair.alice.username)
    assert (await pair.bob.get("/chat/blocks"))["items"] == []


async def test_blocking_oneself_or_nobody(people: People) -> None:
    alice = people.make("alice")
    socket = await alice.connect()
    await socket.send("block.add", username=alice.username)
    await socket.expect_error("validation_error", type="block.add")
    await socket.send("block.add", username="nobody-of-this-name")
    await socket.expect_error("user_not_found", type="block.add")


async def test_typing_receipts_and_presence_stop(pair: Pair) -> None:
    await pair.alice.befriend(pair.bob)
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("message.send", **text_message(pair.conversation, "before", "t"))
    await alice.expect("message.sent")
    await bob.send("block.add", username=pair.alice.username)
    await bob.expect("block.added")
    await alice.expect("user.offline", userId=pair.bob.id)
    await bob.send("message.read", conversationId=pair.conversation)
    await bob.expect("message.read_ack")
    await bob.send("typing.start", conversationId=pair.conversation)
    await bob.send("presence.set", status="busy")
    await bob.expect("user.status", status="busy")
    for unwanted in ("message.read_update", "typing.start", "user.status"):
        await alice.refute(unwanted, within=0.3)
    (friend,) = (await pair.alice.get("/chat/friends"))["items"]
    assert friend.items() >= {"userId": pair.bob.id, "isOnline": False, "status": "offline"}.items()
    again = await pair.alice.connect(greet=False)
    (shown,) = (await again.expect("status.bulk"))["payload"]["users"]
    assert shown == {name: friend[name] for name in ("userId", "isOnline", "status", "lastSeen")}


async def test_shown_typing_ends_with_a_block(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    async with typing_on(alice, pair.conversation):
        await bob.expect("typing.start")
        await bob.send("block.add", username=pair.alice.username)
        await bob.expect("typing.stop")


async def test_nothing_of_a_blocked_user_is_replayed(pair: Pair) -> None:
    alice, bob, tablet = await pair.alice.connect(), await pair.bob.connect(), await pair.bob.connect()
    cursor = bob.cursor
    await bob.close()
    await alice.send("message.send", **text_message(pair.conversation, "hi", "t"))
    await tablet.expect("message.new")
    await tablet.send("block.add", username=pair.alice.username)
    await tablet.expect("block.added")
    again = await pair.bob.connect(cursor=cursor)
    assert again.events[0]["payload"]["recovered"] is True
    assert not again.of_type("message.new")


async def test_sending_again_what_was_stored_before_the_block_is_answered(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("message.send", **text_message(pair.conversation, "hi", "t"))
    stored = (await alice.expect("message.sent", tempId="t"))["payload"]["message"]
    await bob.expect("message.new")
    await bob.send("block.add", username=pair.alice.username)
    await bob.expect("block.added")
    await alice.send("message.send", **text_message(pair.conversation, "hi", "t"))
    assert (await alice.expect("message.sent", tempId="t"))["payload"]["message"]["id"] == stored["id"]
    await bob.refute("message.new", within=0.3)


async def test_unblocked_friends_see_each_other_again(pair: Pair) -> None:
    await pair.alice.befriend(pair.bob)
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await bob.send("block.add", username=pair.alice.username)
    await alice.expect("user.offline", userId=pair.bob.id)
    await bob.send("block.remove", username=pair.alice.username)
    await bob.expect("block.removed")
    await alice.expect_event({"type": "user.online", "payload": {"userId": pair.bob.id}})
