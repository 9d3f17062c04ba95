"""`examples/platform`, as its README runs it: users, follows, webhooks and moderation of a platform around the chat."""

import asyncio
import dataclasses
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.messaging.moderation import FAILED_REASON
from shared.protocol.errors import ErrorCode
from tests.support.gateway import eventually, until
from tests.support.people import Person, text_message
from tests.support.plain_http import plain_http
from tests.support.sockets import RawSocket, contains
from tests.support.stack import Stack
from tests.support.webhook_receiver import SECRET

EXAMPLE = Path(__file__).parents[2] / "examples" / "platform"
SECONDS = 60
ATTEMPTS = 5


@asynccontextmanager
async def serving(listener: socket.socket, stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The example behind a socket that listens already, so that nobody is refused while it starts."""
    command = ("-m", "uvicorn", "--app-dir", str(EXAMPLE), "app:app", "--fd", str(listener.fileno()))
    environment = {
        **os.environ,
        "CHAT_ADMIN_URL": stack.admin_url,
        "CHAT_JWT_SECRET": stack.setting("CHAT_JWT_SECRET"),
        "CHAT_WEBHOOK_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, pass_fds=[listener.fileno()]
    )
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with plain_http(url, timeout=SECONDS) as client:
            assert (await client.get("/openapi.json")).status_code == 200
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
async def example(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The example, which the system tells everything and asks about messages."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with serving(listener, stack) as client:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            settings = {
                "CHAT_WEBHOOK_URLS": f"{url}/webhooks",
                "CHAT_WEBHOOK_SECRET": SECRET,
                "CHAT_MODERATION_URL": f"{url}/moderation",
                "CHAT_MODERATION_FAILURE": "reject",
            }
            async with stack.settings("messaging-1", "webhooks-1", **settings):
                yield client


async def sign_up(example: httpx.AsyncClient, label: str, stack: Stack, sockets: AsyncExitStack) -> tuple[str, Person]:
    """The id and the person, with the token that the example gave."""
    username = f"{label}-{uuid.uuid4().hex[:10]}"
    made = await example.post("/users", json={"username": username})
    assert made.status_code == 201, made.text
    return made.json()["id"], Person(stack.url, username, made.json()["token"], sockets)


def bearer(person: Person) -> dict[str, str]:
    """The header that names the caller."""
    return {"Authorization": f"Bearer {person.token}"}


async def follow(example: httpx.AsyncClient, method: str, one: Person, other: Person) -> None:
    """`PUT` or `DELETE` at the example, which passes it on to the chat."""
    answer = await example.request(method, f"/follows/{other.username}", headers=bearer(one))
    assert answer.status_code == 204, answer.text


async def judged(sender: RawSocket, conversation: str, content: str) -> dict[str, Any]:
    """The answer to a message that the example has judged: `message.sent`, or an error.

    On a busy machine the hook's 300 ms can pass without a verdict, which is kept for the `tempId`: then it is sent with another.
    """
    for _ in range(ATTEMPTS):
        temp_id = str(uuid.uuid4())

        def answers(temp_id: str = temp_id) -> list[dict[str, Any]]:
            wanted: list[dict[str, Any]] = [{"type": "message.sent", "payload": {"tempId": temp_id}}]
            wanted.append({"type": "error", "ref": {"tempId": temp_id}})
            return [event for event in sender.events if any(contains(event, one) for one in wanted)]

        await sender.send("message.send", **text_message(conversation, content, temp_id))
        answer = (await until(answers, SECONDS))[0]
        if not contains(answer, {"error": {"message": FAILED_REASON}}):
            return answer
    raise AssertionError(f"no verdict on {ATTEMPTS} messages")


async def test_people_who_signed_up_are_friends_and_chat(example: httpx.AsyncClient, stack: Stack) -> None:
    async with AsyncExitStack() as sockets:
        alice_id, alice = await sign_up(example, "alice", stack, sockets)
        bob_id, bob = await sign_up(example, "bob", stack, sockets)
        made = await alice.call("POST", "/chat/conversations", json={"username": bob.username})
        assert made.status_code == 201, made.text  # Bob has shown the chat no token yet: the platform made him there.
        assert {each["id"] for each in made.json()["participants"]} == {alice_id, bob_id}
        conversation = made.json()["id"]

        await follow(example, "PUT", alice, bob)
        await follow(example, "PUT", bob, alice)
        assert [friend["userId"] for friend in (await alice.get("/chat/friends"))["items"]] == [bob_id]

        writing, reading = await alice.connect(), await bob.connect()
        sent = (await judged(writing, conversation, "Hello!"))["payload"]["message"]
        await reading.expect("message.new", timeout=SECONDS)

        async def told() -> list[dict[str, Any]]:
            answer = await example.get("/events", headers=bearer(alice))
            return [event for event in answer.json() if event["type"] == "message.created"]

        (event,) = await eventually(told, SECONDS)
        assert {name: event["data"][name] for name in ("id", "conversationId", "content")} == {
            "id": sent["id"],
            "conversationId": conversation,
            "content": "Hello!",
        }
        assert (await example.get("/events", headers=bearer(bob))).json() == []

        refused = await judged(writing, conversation, "Come to the CASINO, now")
        assert refused["error"]["code"] == ErrorCode.NOT_ALLOWED
        assert refused["error"]["message"] == "Not here: casino"
        history = (await bob.get(f"/chat/conversations/{conversation}/messages"))["items"]
        assert [message["content"] for message in history] == ["Hello!"]

        await follow(example, "DELETE", alice, bob)
        assert (await alice.get("/chat/friends"))["items"] == []


async def test_what_is_wrong_is_refused(example: httpx.AsyncClient, stack: Stack) -> None:
    async with AsyncExitStack() as sockets:
        _, alice = await sign_up(example, "alice", stack, sockets)
    assert (await example.post("/users", json={"username": alice.username})).status_code == 409
    assert (await example.put(f"/follows/{alice.username}", headers=bearer(alice))).status_code == 404
    assert (await example.post("/token", headers={"Authorization": "Bearer x.y.z"})).status_code == 401
    renewed = (await example.post("/token", headers=bearer(alice))).json()["token"]
    assert (await dataclasses.replace(alice, token=renewed).get("/chat/users/me"))["username"] == alice.username


@pytest.mark.parametrize("path", ["/webhooks", "/moderation"])
@pytest.mark.parametrize("signature", [None, "v1,AAAA", "v1,?", "nothing"])
async def test_unsigned_posts_are_refused(example: httpx.AsyncClient, path: str, signature: str | None) -> None:
    headers = {"webhook-id": "1", "webhook-timestamp": str(int(time.time()))}
    if signature is not None:
        headers["webhook-signature"] = signature
    body = {"type": "message.created", "timestamp": "", "data": {"messages": []}}
    assert (await example.post(path, json=body, headers=headers)).status_code == 401
