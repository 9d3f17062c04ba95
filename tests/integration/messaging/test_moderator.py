"""services.messaging.moderation: what the hook is asked, and what its answers and failures mean."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from services.messaging.moderation import FAILED_REASON, MOST_AT_ONCE, REJECTED_REASON, Moderator
from shared.protocol.relay import CommandBatch, EditMessage, MarkRead, SendMessage
from shared.redis import Partitions
from shared.webhooks.signatures import Signer
from tests.support.webhook_receiver import SECRET

Answer = Callable[[list[dict[str, Any]]], Awaitable[web.StreamResponse]]


class Hook:
    """Answers by `answer`; `most` is how many questions it had at once."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.calls = self.now = self.most = 0
        self.answer: Answer = allow

    async def on_post(self, request: web.Request) -> web.StreamResponse:
        body = Webhook(SECRET).verify(await request.text(), dict(request.headers))
        assert body.keys() == {"type", "timestamp", "data"}
        assert body["type"] == "moderation.request"
        self.asked += body["data"]["messages"]
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await self.answer(body["data"]["messages"])
        finally:
            self.now -= 1


async def allow(messages: list[dict[str, Any]]) -> web.StreamResponse:
    return verdicts({"id": message["id"], "action": "allow"} for message in messages)


async def never(_messages: list[dict[str, Any]]) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def verdicts(found: Any) -> web.Response:
    return web.json_response({"verdicts": list(found)})


def saying(**verdict: Any) -> Answer:
    """An answer with the same verdict on all."""

    async def answer(messages: list[dict[str, Any]]) -> web.StreamResponse:
        return verdicts({"id": message["id"], **verdict} for message in messages)

    return answer


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    app = web.Application()
    app.router.add_post("/", made.on_post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@asynccontextmanager
async def moderator(url: str, partitions: Partitions, *, rejects_failures: bool = False) -> AsyncIterator[Moderator]:
    made = Moderator(url, Signer([SECRET]), partitions, rejects_failures=rejects_failures)
    try:
        yield made
    finally:
        await made.aclose()


def send(content: str | None = "hello", **fields: Any) -> SendMessage:
    return SendMessage(
        str(uuid.uuid4()),
        "",
        str(uuid.uuid4()),
        fields.pop("type", "text"),
        content,
        fields.pop("media", None),
        "t",
        **fields,
    )


def batch(*commands: Any) -> CommandBatch:
    return CommandBatch("gateway", 1, list(commands))


async def test_an_answer_is_asked_for_without_compression(hook: Hook, partitions: Partitions) -> None:
    """As of a hook behind a proxy that compresses whatever it may."""

    async def compressed(messages: list[dict[str, Any]]) -> web.StreamResponse:
        answer = verdicts({"id": message["id"], "action": "reject"} for message in messages)
        answer.enable_compression()
        return answer

    hook.answer = compressed
    asked = send()
    async with moderator(hook.url, partitions) as made:
        await made.judge(batch(asked))
    assert asked.rejected == REJECTED_REASON


async def test_the_hook_sees_messages_and_edits_as_the_contract_has_them(hook: Hook, partitions: Partitions) -> None:
    media = '[{"url":"https://cdn.example/a.png","type":"image"}]'
    picture = send(None, type="image", media=media, metadata='{"order":17}')
    edit = EditMessage(picture.user_id, "", picture.conversation_id, 3, "changed", "e")
    read = MarkRead(picture.user_id, "", picture.conversation_id, 1)
    async with moderator(hook.url, partitions) as asking:
        assert Moderator.concerns(batch(read, edit))
        assert not Moderator.concerns(batch(read))
        await asking.judge(batch(picture, read, edit))
    first, second = hook.asked
    assert hook.calls == 1
    wanted = {"conversationId": picture.conversation_id, "senderId": picture.user_id}
    assert first == {
        "id": first["id"],
        **wanted,
        "type": "image",
        "content": None,
        "media": json.loads(media),
        "metadata": {"order": 17},
        "tempId": "t",
    }
    assert second == {
        "id": second["id"],
        **wanted,
        "type": "text",
        "content": "changed",
        "media": [],
        "tempId": "e",
        "seq": 3,
    }


@pytest.mark.parametrize("rejects", [False, True])
@pytest.mark.parametrize(
    "failure", ["silence", "500", "redirect", "no JSON", "missing", "unheard-of", "too long", "too big", "blank"]
)
async def test_every_failure_means_what_the_operator_says(
    hook: Hook, partitions: Partitions, failure: str, rejects: bool
) -> None:
    async def error(_messages: list[dict[str, Any]]) -> web.StreamResponse:
        return web.Response(status=500)

    async def redirect(_messages: list[dict[str, Any]]) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": hook.url})

    async def nonsense(_messages: list[dict[str, Any]]) -> web.StreamResponse:
        return web.Response(text="{", content_type="application/json")

    async def nothing(_messages: list[dict[str, Any]]) -> web.StreamResponse:
        return verdicts([])

    answers: dict[str, Answer] = {
        "silence": never,
        "500": error,
        "redirect": redirect,
        "no JSON": nonsense,
        "missing": nothing,
        "unheard-of": saying(action="delete"),
        "too long": saying(action="replace", content="x" * 4001),
        "too big": saying(action="replace", content="\u0001" * 4000),
        "blank": saying(action="replace", content=" \u200b"),
    }
    hook.answer = answers[failure]
    message = send(metadata=json.dumps({"padding": "x" * 12_000}))
    async with moderator(hook.url, partitions, rejects_failures=rejects) as asking:
        await asking.judge(batch(message))
        assert (message.content, message.rejected) == ("hello", FAILED_REASON if rejects else None)
        hook.answer = saying(action="reject" if not rejects else "allow")
        again = SendMessage(**{name: getattr(message, name) for name in message.__struct_fields__})
        again.rejected = None
        await asking.judge(batch(again))
    assert (again.content, again.rejected) == ("hello", FAILED_REASON if rejects else None), (
        "a retry gets the same verdict"
    )


async def test_no_hook_at_all_is_a_failure(partitions: Partitions) -> None:
    message = send()
    async with moderator("http://127.0.0.1:1/", partitions, rejects_failures=True) as asking:
        await asking.judge(batch(message))
    assert message.rejected == FAILED_REASON


async def test_many_batches_wait_for_a_silent_hook_as_long_as_one(hook: Hook, partitions: Partitions) -> None:
    hook.answer = never
    messages = [send() for _ in range(40 * MOST_AT_ONCE)]
    async with moderator(hook.url, partitions, rejects_failures=True) as asking:
        await asyncio.gather(*(asking.judge(batch(message)) for message in messages))
    assert {message.rejected for message in messages} == {FAILED_REASON}
    # If each had its time from the moment when there is a place for it, the hook would have been asked of all.
    assert len(hook.asked) < len(messages) / 2
    # It notices late that the earlier ones were given up: on a busy machine, when some rounds have come after them.
    assert hook.most < 4 * MOST_AT_ONCE


async def test_an_answer_may_arrive_in_pieces(hook: Hook, partitions: Partitions) -> None:
    async def answer(messages: list[dict[str, Any]]) -> web.StreamResponse:
        found = [{"id": message["id"], "action": "reject", "reason": "no"} for message in messages]
        body = json.dumps({"verdicts": found}).encode()

        async def pieces() -> AsyncIterator[bytes]:
            for begin in range(0, len(body), 40):
                yield body[begin : begin + 40]
                await asyncio.sleep(0.01)

        return web.Response(body=pieces(), content_type="application/json")

    hook.answer = answer
    message, edit = send(), EditMessage(str(uuid.uuid4()), "", str(uuid.uuid4()), 3, "changed", None)
    async with moderator(hook.url, partitions) as asking:
        await asking.judge(batch(message, edit))
    assert (message.rejected, edit.rejected) == ("no", "no")
    assert ["tempId" in asked for asked in hook.asked] == [True, False]


async def test_verdicts_come_in_any_order(hook: Hook, partitions: Partitions) -> None:
    async def answer(messages: list[dict[str, Any]]) -> web.StreamResponse:
        found = [{"id": each["id"], "action": "replace", "content": each["content"].upper()} for each in messages]
        return verdicts(found[::-1])

    hook.answer = answer
    messages = [send(f"m{number}") for number in range(30)]
    async with moderator(hook.url, partitions) as asking:
        await asking.judge(batch(*messages))
    assert [message.content for message in messages] == [f"M{number}" for number in range(30)]
