"""Replicas of two versions read what the others write: `make rollout`, by default with the last release."""

import dataclasses
from typing import Any, Final

import psutil
import pytest

from tests.rollout.versions import EARLIER
from tests.support.people import People, Person, text_message
from tests.support.plain_http import plain_http
from tests.support.sockets import RawSocket
from tests.support.stack import Stack

MESSAGES: Final = 20
SERVED: Final = "chat_messaging_commands_total{"
BOTH_WAYS: Final = pytest.mark.parametrize(
    ("sending", "receiving"), [("gateway-1", "gateway-2"), ("gateway-2", "gateway-1")]
)


@pytest.fixture
async def alice(people: People) -> Person:
    return people.make("alice")


@pytest.fixture
async def bob(people: People) -> Person:
    return people.make("bob")


async def commands_of(stack: Stack, name: str) -> float:
    """How many commands a messaging replica has handled."""
    async with plain_http(stack.direct_url(name)) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(SERVED))


async def texts_by(stack: Stack, name: str, person: Person, conversation: str) -> list[tuple[int, str]]:
    """The history as one replica tells it: seqs and texts."""
    asking = dataclasses.replace(person, url=stack.direct_url(name))
    page = await asking.get(f"/chat/conversations/{conversation}/messages?afterSeq=0&limit=100")
    return [(message["seq"], message["content"]) for message in page["items"]]


async def say(socket: RawSocket, conversation: str, text: str) -> int:
    """Send a text; returns its seq."""
    await socket.send("message.send", **text_message(conversation, text, text))
    message: dict[str, Any] = (await socket.expect("message.sent", tempId=text))["payload"]["message"]
    return int(message["seq"])


def test_the_first_replicas_run_the_earlier_code(stack: Stack) -> None:
    for name in ("gateway-1", "gateway-2", "messaging-1", "messaging-2", "presence-1", "presence-2"):
        folder = psutil.Process(stack.pid(name)).cwd()
        assert folder.endswith("/earlier") == (name in EARLIER), (name, folder)


async def test_messages_reach_the_other_version_in_order(stack: Stack, alice: Person, bob: Person) -> None:
    conversation = await alice.conversation_with(bob)
    before = [await commands_of(stack, name) for name in ("messaging-1", "messaging-2")]
    one = await alice.connect(url=stack.direct_url("gateway-1"))
    other = await bob.connect(url=stack.direct_url("gateway-2"))
    expected = []
    for number in range(MESSAGES):
        for socket, peer, name in ((one, other, "alice"), (other, one, "bob")):
            text = f"{name} {number}"
            expected.append((await say(socket, conversation, text), text))
            await peer.expect("message.new", message={"content": text})
    assert [seq for seq, _ in expected] == list(range(1, 2 * MESSAGES + 1))
    for socket in (one, other):
        seqs = [event["payload"]["message"]["seq"] for event in socket.of_type("message.new")]
        assert seqs == sorted(seqs)
        assert len(seqs) == MESSAGES
    for name in ("messaging-1", "messaging-2"):
        assert await texts_by(stack, name, alice, conversation) == expected
    after = [await commands_of(stack, name) for name in ("messaging-1", "messaging-2")]
    assert all(now > then for now, then in zip(after, before, strict=True)), "one replica had nothing to do"


@BOTH_WAYS
async def test_changes_receipts_and_signals_reach_the_other_version(
    stack: Stack, alice: Person, bob: Person, sending: str, receiving: str
) -> None:
    conversation = await alice.conversation_with(bob)
    one = await alice.connect(url=stack.direct_url(sending))
    other = await bob.connect(url=stack.direct_url(receiving))
    place: dict[str, Any] = {"conversationId": conversation, "seq": await say(one, conversation, "helo")}
    await other.expect("message.new", message={"content": "helo"}, unread={"conversation": 1})
    await one.send("message.edit", **place, content="hello")
    await other.expect("message.updated", **place, content="hello")
    await other.send("reaction.add", **place, emoji="👍")
    await one.expect("reaction.updated", **place, emoji="👍", active=True)
    await other.send("message.read", **place)
    await one.expect("message.read_update", **place)
    await other.send("typing.start", conversationId=conversation)
    await one.expect("typing.start", conversationId=conversation)
    await one.send("message.delete", **place)
    await other.expect("message.deleted", **place)


@BOTH_WAYS
async def test_friends_of_the_other_version_see_statuses(
    stack: Stack, alice: Person, bob: Person, sending: str, receiving: str
) -> None:
    await alice.befriend(bob)
    other = await bob.connect(url=stack.direct_url(receiving))
    one = await alice.connect(url=stack.direct_url(sending))
    await other.expect("user.online", userId=alice.id)
    await one.send("presence.set", status="busy")
    await other.expect("user.status", userId=alice.id, status="busy")
    await one.close()
    await other.expect("user.offline", userId=alice.id)


@BOTH_WAYS
async def test_a_client_that_comes_from_the_other_version_misses_nothing(
    stack: Stack, alice: Person, bob: Person, sending: str, receiving: str
) -> None:
    conversation = await alice.conversation_with(bob)
    one = await alice.connect(url=stack.direct_url(sending))
    before = await bob.connect(url=stack.direct_url(sending))
    await say(one, conversation, "first")
    await before.expect("message.new", message={"content": "first"})
    await before.close()
    for number in range(MESSAGES):
        await say(one, conversation, f"missed {number}")
    after = await bob.connect(url=stack.direct_url(receiving), cursor=before.cursor)
    assert after.events[0]["payload"]["recovered"] is True
    replayed = [event["payload"]["message"]["content"] for event in after.of_type("message.new")]
    assert replayed == [f"missed {number}" for number in range(MESSAGES)]
