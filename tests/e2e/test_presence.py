"""Presence, friends and typing (docs/protocol.md, «Presence, typing, blocks, tokens»)."""

import time

import pytest

from shared.protocol import keys
from shared.redis import open_partitions
from tests.e2e.conftest import Pair
from tests.support.gateway import eventually
from tests.support.people import People, Person, text_message
from tests.support.sockets import RawSocket, typing_on
from tests.support.stack import Stack

GRACE_SECONDS = 5.0
"""How long a lost connection is not told to friends."""


async def connected_friend(people: People) -> tuple[Person, RawSocket, RawSocket]:
    """Bob, his only connection, and the one of his friend Alice, who was told that he is online."""
    alice, bob = people.make("alice"), people.make("bob")
    await alice.befriend(bob)
    watching, socket = await alice.connect(), await bob.connect()
    await watching.expect("user.online", userId=bob.id)
    return bob, socket, watching


async def test_friends_see_each_other_come_and_go(people: People) -> None:
    alice, bob, carol = people.make("alice"), people.make("bob"), people.make("carol")
    await alice.befriend(bob)
    await alice.befriend(carol)
    watching = await alice.connect()
    socket, lost = await bob.connect(), await carol.connect()
    online = await watching.expect("user.online", userId=bob.id)
    assert online["payload"].keys() == {"userId", "isOnline", "status", "lastSeen"}
    assert online["payload"].items() >= {"isOnline": True, "status": "online"}.items()
    assert "cursor" not in online
    await watching.expect("user.online", userId=carol.id)
    await lost.cut()
    await socket.close()
    offline = await watching.expect("user.offline", userId=bob.id)
    # Carol's connection ended first, and has its grace: Bob's has none.
    assert watching.of_type("user.offline") == [offline]
    assert offline["payload"]["isOnline"] is False
    assert offline["payload"]["lastSeen"]


async def test_status_bulk_shows_all_friends(people: People) -> None:
    alice, bob, carol = people.make("alice"), people.make("bob"), people.make("carol")
    await alice.befriend(bob)
    await alice.befriend(carol)
    await bob.connect()
    socket = await alice.connect(greet=False)
    users = (await socket.expect("status.bulk"))["payload"]["users"]
    assert {user["userId"]: user["isOnline"] for user in users} == {bob.id: True, carol.id: False}


async def test_a_one_sided_follow_shows_nothing(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await bob.get("/chat/users/me")
    await alice.call("PUT", f"/chat/follows/{bob.username}")
    watching = await alice.connect()
    await bob.connect()
    await watching.refute("user.online", within=0.5)
    assert (await alice.get("/chat/friends"))["items"] == []


async def test_only_the_last_connection_counts(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await alice.befriend(bob)
    watching = await alice.connect()
    first, second = await bob.connect(), await bob.connect()
    await watching.expect("user.online", userId=bob.id)
    await first.close()
    await watching.refute("user.offline", within=0.5)
    await second.close()
    await watching.expect("user.offline", userId=bob.id)
    assert len(watching.of_type("user.online")) == 1


async def test_a_page_that_is_loaded_again_is_not_seen_and_one_that_is_left_is(people: People) -> None:
    """Browsers close with 1001 in both cases."""
    bob, socket, watching = await connected_friend(people)
    await socket.close(1001)
    socket = await bob.connect()
    await watching.refute("user.offline", within=6.5)
    assert len(watching.of_type("user.online")) == 1
    left_at = time.monotonic()
    await socket.close(1001)
    await watching.expect("user.offline", userId=bob.id, timeout=30)
    assert time.monotonic() - left_at > 0.9 * GRACE_SECONDS


async def test_a_quick_reconnect_after_a_lost_connection_is_not_seen(people: People) -> None:
    for _ in range(5):
        bob, socket, watching = await connected_friend(people)
        cut_at = time.monotonic()
        await socket.cut()
        await bob.connect()
        if time.monotonic() - cut_at < GRACE_SECONDS:  # otherwise the machine stalled, and he was rightly seen to go
            break
    await watching.refute("user.offline", within=6.5)
    assert len(watching.of_type("user.online")) == 1


@pytest.mark.parametrize("status", ["away", "busy"])
async def test_who_comes_back_with_a_status_is_never_shown_online(people: People, status: str) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await alice.befriend(bob)
    watching = await alice.connect()
    for _ in range(2):
        socket = await bob.connect(query={"status": status})
        await watching.expect("user.online", userId=bob.id, status=status, isOnline=True)
        await socket.close()
        await watching.expect("user.offline", userId=bob.id)
    shown = [event["payload"] for event in watching.events if event["type"] in {"user.online", "user.status"}]
    assert {one["status"] for one in shown if one["userId"] == bob.id} == {status}


async def test_a_lost_connection_is_told_after_the_grace(people: People) -> None:
    bob, socket, watching = await connected_friend(people)
    cut_at = time.monotonic()
    await socket.cut()
    # Had nobody noticed, the lease would have ended after a minute.
    await watching.expect("user.offline", userId=bob.id, timeout=30)
    assert time.monotonic() - cut_at > 0.9 * GRACE_SECONDS


async def test_a_new_friend_is_seen_at_once_and_a_lost_one_no_more(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    watching, socket = await alice.connect(), await bob.connect()
    await alice.befriend(bob)
    await watching.expect("user.online", userId=bob.id)
    await socket.expect("user.online", userId=alice.id)
    await alice.call("DELETE", f"/chat/follows/{bob.username}")
    await socket.send("presence.set", status="busy")
    await socket.expect("user.status", userId=bob.id, status="busy")
    await watching.refute("user.status", within=0.5)


async def test_busy_wins_over_online_wins_over_away(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    await alice.befriend(bob)
    watching = await alice.connect()
    phone, desktop = await bob.connect(), await bob.connect()
    await watching.expect("user.online", userId=bob.id)
    await phone.send("presence.set", status="away")
    await phone.expect("user.status", userId=bob.id, status="online")
    await watching.refute("user.status", within=0.3, status="away")
    await desktop.send("presence.set", status="busy")
    await watching.expect("user.status", userId=bob.id, status="busy", isOnline=True)
    await phone.expect("user.status", userId=bob.id, status="busy")
    await desktop.close()
    await watching.expect("user.status", userId=bob.id, status="away")


async def test_presence_over_rest_is_for_friends_only(people: People) -> None:
    alice, bob, carol = people.make("alice"), people.make("bob"), people.make("carol")
    await alice.befriend(bob)
    await bob.connect()
    await carol.connect()
    answer = await alice.get("/chat/presence", params={"userId": [bob.id, carol.id]})
    assert [(user["userId"], user["isOnline"]) for user in answer["items"]] == [(bob.id, True)]
    friends = (await alice.get("/chat/friends"))["items"]
    assert [(friend["username"], friend["isOnline"], friend["status"]) for friend in friends] == [
        (bob.username, True, "online")
    ]


async def test_each_pong_and_ping_renews_the_lease(people: People, stack: Stack) -> None:
    alice = people.make("alice")
    socket = await alice.connect()
    partitions = open_partitions(stack.redis_url)
    redis, key = partitions.of(alice.id).client, keys.key(keys.ONLINE, alice.id)

    async def is_renewed() -> bool:
        return await redis.ttl(key) > 55

    async def pong() -> None:
        await socket.connection.pong()

    async def ping() -> None:
        await socket.send("ping")

    for show_life in (pong, ping):
        assert await redis.expire(key, 30)
        await show_life()
        await eventually(is_renewed, 4)
    await partitions.aclose()


async def test_presence_query_is_bounded(people: People) -> None:
    alice = people.make("alice")
    too_many = await alice.call("GET", "/chat/presence", params={"userId": [alice.id] * 101})
    assert too_many.status_code == 422
    assert too_many.json()["error"]["code"] == "validation_error"
    assert (await alice.call("GET", "/chat/presence?userId=nonsense")).status_code == 422


async def test_following_oneself_or_nobody_is_refused(people: People) -> None:
    alice = people.make("alice")
    await alice.get("/chat/users/me")
    assert (await alice.call("PUT", f"/chat/follows/{alice.username}")).status_code == 422
    unknown = await alice.call("PUT", "/chat/follows/nobody-of-this-name")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "user_not_found")


async def test_typing_is_shown_to_the_other_and_ends_by_itself(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    started_at = time.monotonic()
    await alice.send("typing.start", conversationId=pair.conversation)
    start = await bob.expect("typing.start", conversationId=pair.conversation, userId=pair.alice.id, expiresInMs=3000)
    assert "cursor" not in start
    stop = await bob.expect("typing.stop", conversationId=pair.conversation, userId=pair.alice.id)
    assert time.monotonic() - started_at > 2.5
    assert "expiresInMs" not in stop["payload"]
    assert not alice.of_type("typing.start")


async def test_typing_ends_when_told(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    async with typing_on(alice, pair.conversation):
        await bob.expect("typing.start")
        await alice.send("typing.stop", conversationId=pair.conversation)
        await bob.expect("typing.stop")


async def test_typing_ends_with_the_message(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    async with typing_on(alice, pair.conversation):
        await bob.expect("typing.start")
        await alice.send("message.send", **text_message(pair.conversation, "done", "t"))
        await bob.expect("typing.stop")


async def test_typing_ends_with_the_connection(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("typing.start", conversationId=pair.conversation)
    await bob.expect("typing.start")
    await alice.close()
    # At once: tests/integration/gateway/test_presence.py, where it does not end by itself.
    await bob.expect("typing.stop")


async def test_repeats_within_a_second_are_not_forwarded(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    for _ in range(5):
        await alice.send("typing.start", conversationId=pair.conversation)
    await bob.expect("typing.start")
    await bob.refute("typing.start", within=0.5)


async def test_typing_needs_a_conversation_of_ones_own(pair: Pair, people: People) -> None:
    bob, carol = await pair.bob.connect(), await people.make("carol").connect()
    unknown = "0190a1b2-0000-7000-8000-00000000ffff"
    for conversation in (pair.conversation, unknown):
        for kind in ("typing.stop", "typing.start", "typing.stop"):
            await carol.send(kind, conversationId=conversation)
            await carol.expect_error("conversation_not_found", type=kind, conversationId=conversation)
    await bob.refute("typing.start", within=0.5)


async def test_typing_behind_a_block_says_nothing(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await bob.send("block.add", username=pair.alice.username)
    await bob.expect("block.added")
    for kind in ("typing.start", "typing.stop"):
        await alice.send(kind, conversationId=pair.conversation)
        await alice.refute("error", within=0.3)
    await bob.refute("typing.start", within=0.1)


async def test_typing_is_never_replayed(pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    cursor = bob.cursor
    await bob.close()
    await alice.send("typing.start", conversationId=pair.conversation)
    # Her gateway has the frame before he reconnects.
    await alice.send("ping")
    await alice.expect("pong")
    again = await pair.bob.connect(cursor=cursor)
    await alice.send("message.send", **text_message(pair.conversation, "done", "t"))
    await again.expect("message.new")
    await again.refute("typing.stop", within=0.5)
    assert not again.of_type("typing.start")
