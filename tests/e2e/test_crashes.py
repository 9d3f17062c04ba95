"""A process dies in the middle of a step: an erasure goes on, and webhooks lose nothing and keep their order.

Each step is one that waits for a table: the test holds the table, kills the process there, and starts it again. The short form
does some of an erasure's steps, `FAULTS=long` (`make faults`) all of them, and those of webhooks, whose services have to be
restarted with other settings; `test_webhooks.py` kills two of them in any case.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from tests.e2e.conftest import Pair
from tests.support.gateway import eventually
from tests.support.people import People, text_message
from tests.support.platform import Platform
from tests.support.stack import Stack
from tests.support.table_lock import locked
from tests.support.traces import nothing_left
from tests.support.webhook_receiver import SECRET, Receiver, receiver

LONG = os.environ.get("FAULTS") == "long"
WRITERS = "SHARE"
"""Readers of the table go on."""


class Step(NamedTuple):
    """Where `process` dies: at its first use of `table` that `mode` holds back."""

    process: str
    table: str
    mode: str = "ACCESS EXCLUSIVE"
    quick: bool = False


ERASURE = (
    Step("admin-1", "directory.users", WRITERS),
    Step("notifier-1", "notifier.subscriptions", quick=True),
    Step("admin-1", "admin.jobs", WRITERS),
    Step("messaging-1", "messaging.messages", WRITERS),
    Step("messaging-1", "messaging.blocks"),
    Step("messaging-1", "messaging.reports", WRITERS, quick=True),
    Step("messaging-1", "media.uploads", WRITERS),
    Step("presence-1", "presence.follows", quick=True),
    Step("presence-1", "presence.blocks"),
    Step("admin-1", "admin.jobs", WRITERS, quick=True),
)
"""In the order in which an erasure comes to them."""


@pytest.mark.timeout(600)
async def test_an_erasure_goes_on_after_each_step(platform: Platform, stack: Stack, pair: Pair, people: People) -> None:
    carol, secret = people.make("carol"), f"secret of {pair.alice.username}"
    alice, blocking = await pair.alice.connect(), await carol.connect()
    await pair.alice.befriend(pair.bob)
    for number in range(3):
        await alice.send("message.send", **text_message(pair.conversation, f"{secret} {number}", f"t{number}"))
        await alice.expect("message.sent", tempId=f"t{number}")
    await blocking.send("block.add", username=pair.alice.username)
    await blocking.expect("block.added")
    steps = [step for step in ERASURE if LONG or step.quick]
    async with AsyncExitStack() as held:
        # The next table is held before this one is let go, so that the erasure can't run past it.
        lock = await held.enter_async_context(locked(stack, steps[0].table, steps[0].mode))
        job = await platform.expect(202, "DELETE", f"/users/{pair.alice.id}")
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            await lock.kill(step.process)
            behind = AsyncExitStack()
            if following is not None and following.table != step.table:
                lock = await behind.enter_async_context(locked(stack, following.table, following.mode))
            await held.aclose()
            held.push_async_exit(behind)
            await stack.start(step.process)
    again = Platform(stack.admin_url)

    async def done() -> bool:
        return bool((await again.expect(200, "GET", f"/jobs/{job['id']}"))["state"] == "done")

    await eventually(done, seconds=100)
    await nothing_left(stack, pair.alice.username, secret)
    history = (await pair.bob.get(f"/chat/conversations/{pair.conversation}/messages"))["items"]
    assert [(message["seq"], message["content"]) for message in history] == [(1, None), (2, None), (3, None)]


@pytest.fixture(scope="module")
async def hook(stack: Stack) -> AsyncIterator[Receiver]:
    """A receiver that is told everything."""
    told = ("messaging-1", "presence-1", "notifier-1", "webhooks-1")
    hooks = {"CHAT_WEBHOOK_SECRET": SECRET, "CHAT_PUSH_DELAY_SECONDS": "0.1"}
    async with receiver() as made, stack.settings(*told, CHAT_WEBHOOK_URLS=made.url, **hooks):
        yield made


class Load:
    """Messages of the platform in some conversations, one after the other in each, repeated until they are stored."""

    def __init__(self, url: str, sender: str, conversations: list[str]) -> None:
        self._platform = Platform(url)
        self._sender = sender
        self._conversations = conversations
        self.sent = dict.fromkeys(conversations, 0)
        self._over = False

    async def run(self) -> None:
        """Send until `finish`."""
        await asyncio.gather(*(self._send_to(each) for each in self._conversations))

    def finish(self) -> None:
        """Let `run` end after the messages under way."""
        self._over = True

    async def _send_to(self, conversation: str) -> None:
        while not self._over:
            number = self.sent[conversation] + 1
            body = {"senderId": self._sender, "type": "text", "content": str(number), "tempId": str(number)}
            answer = await self._platform.call("POST", f"/conversations/{conversation}/messages", json=body)
            if answer.is_success:
                assert answer.json()["seq"] == number
                self.sent[conversation] = number
            await asyncio.sleep(0.05)


Act = Callable[[Stack, Receiver], Awaitable[None]]


async def die_at(step: Step, stack: Stack) -> None:
    """Kill a process in the middle of a step, and start it again."""
    async with locked(stack, step.table, step.mode) as lock:
        await lock.kill(step.process)
    await stack.start(step.process)


async def die_between_message_and_event(stack: Stack, _hook: Receiver) -> None:
    """messaging has stored a message, and not yet its event, in one transaction."""
    await die_at(Step("messaging-1", "webhooks.events", WRITERS), stack)


async def die_before_the_post(stack: Stack, _hook: Receiver) -> None:
    """webhooks reads."""
    await die_at(Step("webhooks-1", "webhooks.events"), stack)


async def die_during_the_post(stack: Stack, hook: Receiver) -> None:
    """The endpoint has an event, and hasn't answered."""
    hook.open.clear()
    try:
        await eventually(lambda: _held(hook), seconds=60)
        await stack.kill("webhooks-1")
    finally:
        hook.open.set()
    await stack.start("webhooks-1")


async def die_after_the_post(stack: Stack, hook: Receiver) -> None:
    """The endpoint has taken events, and they are not deleted yet."""
    hook.open.clear()
    await eventually(lambda: _held(hook), seconds=60)
    async with locked(stack, "webhooks.events", WRITERS) as lock:
        hook.open.set()
        await lock.kill("webhooks-1")
    await stack.start("webhooks-1")


async def die_at_the_lease(stack: Stack, _hook: Receiver) -> None:
    """webhooks takes or renews its lease."""
    await die_at(Step("webhooks-1", "webhooks.leases", WRITERS), stack)


async def die_of_presence_and_notifier(stack: Stack, _hook: Receiver) -> None:
    """Those whose events come by RabbitMQ."""
    for process in ("presence-1", "notifier-1"):
        await stack.kill(process)
        await stack.start(process)


ACTS: tuple[Act, ...] = (
    die_between_message_and_event,
    die_before_the_post,
    die_during_the_post,
    die_after_the_post,
    die_at_the_lease,
    die_of_presence_and_notifier,
)


async def _held(hook: Receiver) -> bool:
    return hook.held > 0


@pytest.mark.skipif(not LONG, reason="a long form: make faults")
@pytest.mark.timeout(600)
async def test_webhooks_lose_nothing_and_keep_their_order(
    hook: Receiver, platform: Platform, stack: Stack, people: People
) -> None:
    alice = people.make("alice")
    others = [people.make("other") for _ in range(5)]
    conversations = [await alice.conversation_with(other) for other in others]
    load = Load(stack.admin_url, alice.id, conversations)
    sending = asyncio.create_task(load.run())
    try:
        for act in ACTS:
            await act(stack, hook)
    finally:
        load.finish()
        await sending
    for conversation, sent in load.sent.items():
        await hook.expect("message.created", conversationId=conversation, seq=sent, timeout=120)
        told = [event["data"]["seq"] for event in hook.of_type("message.created", conversationId=conversation)]
        assert list(dict.fromkeys(told)) == list(range(1, sent + 1)), "a repetition may come, nothing before its turn"
        assert hook.of_type("conversation.created", conversationId=conversation)
