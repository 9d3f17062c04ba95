"""A machine whose clock is five minutes off: processes compare times by Redis' clock, and the machine reports it."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import tests.support.shifted_clock
from tests.support.gateway import eventually
from tests.support.people import People, Person, text_message
from tests.support.plain_http import plain_http
from tests.support.sockets import RawSocket
from tests.support.stack import Stack
from tools.devtoken import mint

SHIFT = Path(next(iter(tests.support.shifted_clock.__path__)))
GATEWAY = "gateway-2"
LATE_SECONDS = 15.0
"""More than what a busy machine takes, and less than the 20 s after which a renewal of all leases hides a lost start."""
GRACE_SECONDS = 5.0


@dataclass
class Wrong:
    """Processes whose clocks are off, and where connections of the wrong side go."""

    processes: tuple[str, ...]
    seconds: int
    url: str


@pytest.fixture(
    scope="module",
    params=[((GATEWAY,), -300), ((GATEWAY,), 300), (("presence-1", "messaging-1"), 300)],
    ids=["a gateway behind", "a gateway ahead", "presence and messaging ahead"],
)
async def wrong(stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[Wrong]:
    names, seconds = request.param
    async with stack.settings(*names, PYTHONPATH=str(SHIFT), CLOCK_SHIFT_SECONDS=str(seconds)):
        yield Wrong(names, seconds, stack.direct_url(GATEWAY))


async def friends(people: People, wrong: Wrong) -> tuple[Person, RawSocket, Person]:
    """Somebody connected to another gateway, and a friend who isn't connected."""
    alice, bob = people.make("alice"), people.make("bob")
    await alice.befriend(bob)
    return alice, await alice.connect(), bob


async def test_a_friend_comes_online_sets_a_status_and_is_lost_in_time(people: People, wrong: Wrong) -> None:
    alice, watching, bob = await friends(people, wrong)
    socket = await bob.connect(url=wrong.url)
    await watching.expect("user.online", userId=bob.id, timeout=LATE_SECONDS)
    await socket.send("presence.set", status="busy")
    await watching.expect("user.status", userId=bob.id, status="busy", timeout=LATE_SECONDS)
    lost_at = time.monotonic()
    await socket.cut()
    await watching.expect("user.offline", userId=bob.id, timeout=GRACE_SECONDS + LATE_SECONDS)
    assert time.monotonic() - lost_at > GRACE_SECONDS / 2
    shown = (await alice.get("/chat/presence", params={"userId": bob.id}))["items"][0]
    assert shown["isOnline"] is False


async def test_typing_is_shown_and_ends(people: People, wrong: Wrong) -> None:
    alice, watching, bob = await friends(people, wrong)
    conversation = await alice.conversation_with(bob)
    socket = await bob.connect(url=wrong.url)
    await socket.send("typing.start", conversationId=conversation)
    await watching.expect("typing.start", conversationId=conversation, userId=bob.id, timeout=LATE_SECONDS)
    await socket.send("typing.stop", conversationId=conversation)
    await watching.expect("typing.stop", conversationId=conversation, userId=bob.id, timeout=LATE_SECONDS)


async def test_everything_is_read_that_was_there(people: People, wrong: Wrong) -> None:
    """A «read all» is bounded by when it was asked for: by a wrong clock it would leave out what came before it."""
    alice, socket, bob = await friends(people, wrong)
    conversation = await alice.conversation_with(bob)
    await socket.send("message.send", **text_message(conversation, "hello"))
    await socket.expect("message.sent")
    reader = await bob.connect(url=wrong.url)
    await reader.send("message.read", conversationId=conversation)
    assert (await reader.expect("message.read_ack"))["payload"]["unread"]["total"] == 0


async def test_a_token_counts_by_the_right_time(people: People, wrong: Wrong) -> None:
    """Issued now, and ending in a minute: a clock behind calls it not valid yet, one ahead expired."""
    bob = people.make("bob")
    bob.token = mint(bob.username, lifetime_seconds=60)
    socket = await bob.connect(url=wrong.url)
    await socket.send("auth.refresh", token=mint(bob.username, lifetime_seconds=120))
    await socket.expect("auth.refreshed")
    assert (await bob.call("GET", "/chat/unread")).status_code == 200
    assert (await bob.call("GET", "/chat/friends")).status_code == 200


async def test_the_machine_says_so(stack: Stack, wrong: Wrong) -> None:
    for name in wrong.processes:

        async def off(name: str = name) -> bool:
            async with plain_http(stack.direct_url(name)) as client:
                text = (await client.get("/metrics")).text
            found = re.search(r"^chat_clock_offset_seconds (\S+)$", text, re.MULTILINE)
            return found is not None and abs(float(found[1]) - wrong.seconds) < GRACE_SECONDS

        await eventually(off, 2 * LATE_SECONDS)
        assert "clock.off" in stack.log(name)
