"""The moderation hook: asked before messages and edits are stored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from shared.protocol.errors import ErrorCode
from tests.e2e.conftest import Pair
from tests.support.people import text_message
from tests.support.platform import Platform
from tests.support.stack import Stack
from tests.support.webhook_receiver import SECRET

Judge = Callable[[dict[str, Any]], dict[str, Any] | None]


class Hook:
    """Judges by `judge`; without an event `open` it doesn't answer."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.judge: Judge = by_content
        self.open = asyncio.Event()
        self.open.set()

    async def on_post(self, request: web.Request) -> web.Response:
        body = Webhook(SECRET).verify(await request.text(), dict(request.headers))
        assert body["type"] == "moderation.request"
        messages = body["data"]["messages"]
        self.asked += messages
        await self.open.wait()
        found = [{"id": message["id"], **verdict} for message in messages if (verdict := self.judge(message))]
        return web.json_response({"verdicts": found[::-1]})


def by_content(message: dict[str, Any]) -> dict[str, Any] | None:
    content = message["content"] or ""
    if "bad" in content:
        return {"action": "reject", "reason": "Be kind"}
    if "rude" in content:
        return {"action": "replace", "content": "****"}
    return {"action": "allow"}


@asynccontextmanager
async def listening() -> AsyncIterator[Hook]:
    hook = Hook()
    app = web.Application()
    app.router.add_post("/moderate", hook.on_post)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/moderate"
        yield hook
    finally:
        hook.open.set()
        await runner.cleanup()


@pytest.fixture(scope="module")
async def hook(stack: Stack) -> AsyncIterator[Hook]:
    settings = {"CHAT_WEBHOOK_SECRET": SECRET, "CHAT_MODERATION_FAILURE": "reject"}
    async with listening() as made, stack.settings("messaging-1", CHAT_MODERATION_URL=made.url, **settings):
        yield made


async def test_verdicts_are_carried_out_and_kept(hook: Hook, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    await alice.send("message.send", **text_message(pair.conversation, "something bad", "t-1"))
    refused = await alice.expect_error(ErrorCode.NOT_ALLOWED, tempId="t-1")
    assert refused["error"]["message"] == "Be kind"
    await alice.send("message.send", **text_message(pair.conversation, "something rude", "t-2"))
    sent = (await alice.expect("message.sent", tempId="t-2"))["payload"]["message"]
    assert (sent["seq"], sent["content"]) == (1, "****")
    assert (await bob.expect("message.new"))["payload"]["message"]["content"] == "****"
    hook.judge = lambda _message: {"action": "allow"}
    try:
        await alice.send("message.send", **text_message(pair.conversation, "something bad", "t-1"))
        await alice.expect_error(ErrorCode.NOT_ALLOWED, tempId="t-1")
        await alice.send("message.send", **text_message(pair.conversation, "something rude", "t-2"))
        again = (await alice.expect("message.sent", tempId="t-2"))["payload"]["message"]
        assert (again["id"], again["content"]) == (sent["id"], "****")
    finally:
        hook.judge = by_content
    await alice.send("message.edit", conversationId=pair.conversation, seq=1, content="now bad", tempId="e-1")
    await alice.expect_error(ErrorCode.NOT_ALLOWED, tempId="e-1")


async def test_no_verdict_is_a_failure_and_delays_nobody_else(hook: Hook, platform: Platform, pair: Pair) -> None:
    alice, bob = await pair.alice.connect(), await pair.bob.connect()
    path = f"/conversations/{pair.conversation}/messages"
    asked = len(hook.asked)
    body = {"senderId": None, "type": "system", "content": "bad news", "tempId": "s-1"}
    await platform.expect(201, "POST", path, json=body)
    as_user = {"senderId": pair.alice.id, "type": "text", "content": "bad news, too", "tempId": "s-2"}
    await platform.expect(201, "POST", path, json=as_user)
    assert len(hook.asked) == asked, "nobody asks about what the platform sends"
    hook.open.clear()
    try:
        await alice.send("message.send", **text_message(pair.conversation, "hello", "t-1"))
        await bob.send("message.read", conversationId=pair.conversation, seq=1)
        await bob.expect("message.read_ack")
        await alice.expect_error(ErrorCode.NOT_ALLOWED, tempId="t-1")
    finally:
        hook.open.set()
    for number, judge in enumerate(
        (lambda _message: None, lambda _message: {"action": "replace", "content": "x" * 4001}), 2
    ):
        hook.judge = judge
        try:
            await alice.send("message.send", **text_message(pair.conversation, "hello", f"t-{number}"))
            await alice.expect_error(ErrorCode.NOT_ALLOWED, tempId=f"t-{number}")
        finally:
            hook.judge = by_content
    await alice.send("message.send", **text_message(pair.conversation, "hello", "t-9"))
    assert (await alice.expect("message.sent", tempId="t-9"))["payload"]["message"]["seq"] == 3
