"""Rates, sizes, close codes, and the end of a token (docs/protocol.md, «Limits and close codes»)."""

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import pytest

from tests.e2e.conftest import Pair
from tests.support.people import People, text_message
from tests.support.sockets import Event, RawSocket
from tests.support.stack import Stack
from tools.devtoken import mint

TOKEN_SECONDS = 10
"""The life of a token that ends during a test: enough to connect and to get a new one on a machine that stalls."""


async def answer(socket: RawSocket, temp_id: str) -> None:
    """Wait until a send is answered, with success or an error."""
    waits = {
        asyncio.ensure_future(socket.expect("message.sent", tempId=temp_id)),
        asyncio.ensure_future(socket.expect_event({"type": "error", "ref": {"tempId": temp_id}})),
    }
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    for wait in done:
        wait.result()


async def first_error(sockets: list[RawSocket]) -> Event:
    """The first `rate_limit_exceeded` on any of some sockets."""
    waits = [asyncio.ensure_future(socket.expect_error("rate_limit_exceeded", timeout=30)) for socket in sockets]
    done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in pending:
        wait.cancel()
    return done.pop().result()


async def test_thirty_messages_a_minute_over_all_connections(pair: Pair) -> None:
    sockets = [await pair.alice.connect() for _ in range(3)]
    begun = time.monotonic()
    for number in range(45):
        await sockets[number % 3].send("message.send", **text_message(pair.conversation, "hi", str(number)))
    for number in range(45):
        await answer(sockets[number % 3], str(number))
    minutes = (time.monotonic() - begun) / 60
    errors = [event for socket in sockets for event in socket.of_type("error")]
    assert {error["error"]["code"] for error in errors} == {"rate_limit_exceeded"}
    assert all(error["error"]["retryable"] and 0 < error["error"]["retryAfter"] <= 60 for error in errors)
    assert all(error["error"]["message"] == "Too many messages" and error["ref"]["tempId"] for error in errors)
    stored = await pair.alice.get(f"/chat/conversations/{pair.conversation}/messages?limit=100")
    assert len(stored["items"]) + len(errors) == 45
    assert 30 <= len(stored["items"]) <= 31 + 30 * minutes


async def test_other_events_have_a_rate_of_their_own(pair: Pair) -> None:
    alice = await pair.alice.connect()
    for number in range(100):
        await alice.send("ping", timestamp=number)
    error = await alice.expect_error("rate_limit_exceeded", type="ping")
    assert 0 < error["error"]["retryAfter"] <= 5
    assert 55 <= len(alice.of_type("pong")) <= 75
    await alice.send("message.send", **text_message(pair.conversation, "still", "t"))
    await alice.expect("message.sent", tempId="t")


async def test_twenty_bad_frames_in_a_row_close_with_1008(people: People) -> None:
    alice = await people.make("alice").connect()
    for number in range(20):
        await alice.send_text("nonsense" if number % 2 else '{"type":"no.such"}')
    assert await alice.closed() == 1008


async def test_a_good_frame_in_between_forgives(people: People) -> None:
    alice = await people.make("alice").connect()
    for _ in range(2):
        for _ in range(19):
            await alice.send_text("nonsense")
        await alice.send("ping")
        await alice.expect("pong")


async def test_a_frame_over_the_limit_closes_with_1009(people: People) -> None:
    alice = await people.make("alice").connect()
    await alice.send_text("x" * (512 * 1024 + 1))
    assert await alice.closed() == 1009


async def test_the_oldest_of_eleven_connections_is_replaced(people: People) -> None:
    alice = people.make("alice")
    sockets = [await alice.connect() for _ in range(11)]
    assert await sockets[0].closed() == 4409
    await sockets[1].send("ping")
    await sockets[1].expect("pong")


async def test_a_token_about_to_end_is_announced_and_then_closes(people: People, stack: Stack) -> None:
    alice = people.make("alice", lifetime_seconds=TOKEN_SECONDS)
    socket = await alice.connect(greet=False)
    await socket.expect("connection.success")
    await socket.expect("auth.expiring")
    assert [event["type"] for event in socket.events] == ["connection.success", "status.bulk", "auth.expiring"]
    assert await socket.closed() == 4401


async def test_a_new_token_keeps_the_connection(people: People) -> None:
    alice = people.make("alice", lifetime_seconds=TOKEN_SECONDS)
    ends_at = time.monotonic() + TOKEN_SECONDS
    socket = await alice.connect()
    await socket.expect("auth.expiring")
    await socket.send("auth.refresh", token=mint(alice.username, lifetime_seconds=600))
    refreshed = await socket.expect("auth.refreshed")
    assert refreshed["payload"]["expiresAt"].endswith("Z")
    while time.monotonic() < ends_at + 2:
        await socket.send("ping")
        await socket.expect("pong")
        await asyncio.sleep(0.5)


async def test_another_users_token_does_not_refresh(people: People) -> None:
    alice, bob = await people.make("alice").connect(), people.make("bob")
    await alice.send("auth.refresh", token=bob.token)
    await alice.expect_error("unauthorized", type="auth.refresh")
    await alice.send("auth.refresh", token="nonsense")
    await alice.expect_error("unauthorized", type="auth.refresh")
    await alice.send("ping")
    await alice.expect("pong")


async def test_thirty_blocks_a_minute_for_each_user_together(pair: Pair) -> None:
    sockets = [await pair.alice.connect() for _ in range(3)]
    for number in range(40):
        event_type = ("block.add", "block.remove")[number // 3 % 2]
        await sockets[number % 3].send(event_type, username=pair.bob.username)
    error = await first_error(sockets)
    assert error["error"]["retryable"]
    assert 0 < error["error"]["retryAfter"] <= 60


async def test_sixty_changes_a_minute_for_each_user_together(pair: Pair) -> None:
    sockets = [await pair.alice.connect() for _ in range(3)]
    await sockets[0].send("message.send", **text_message(pair.conversation, "to be changed", "t"))
    await sockets[0].expect("message.sent", tempId="t")
    target = {"conversationId": pair.conversation, "seq": 1}
    for number in range(75):
        event_type = ("reaction.add", "reaction.remove")[number // 3 % 2]
        await sockets[number % 3].send(event_type, **target, emoji="👍")
    error = await first_error(sockets)
    assert error["error"]["retryable"]
    assert 0 < error["error"]["retryAfter"] <= 60


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a GET; `error_code` of one with an error."""

    status: int
    headers: Mapping[str, str]
    error_code: str | None


async def ask_at_once(url: str, token: str, path: str, times: int) -> list[Answer]:
    """GET a path over so many connections. By aiohttp: httpx looks through all connections for each request."""

    async def ask() -> Answer:
        async with session.get(path) as response:
            body = await response.read()
            error_code = json.loads(body)["error"]["code"] if response.status == 429 else None
            return Answer(response.status, response.headers, error_code)

    async with aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(limit=times),
        headers={"Authorization": f"Bearer {token}"},
        timeout=aiohttp.ClientTimeout(total=60),
    ) as session:
        return await asyncio.gather(*(ask() for _ in range(times)))


async def test_sixty_handshakes_a_minute_and_a_plain_get_counts_as_one(people: People, stack: Stack) -> None:
    """All at once: one after the other they would be refilled on a slow machine."""
    alice, bob = people.make("alice"), people.make("bob")
    answers = await ask_at_once(stack.url, alice.token, "/chat/ws", 120)
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {426, 429}
    assert len(answers) - len(refused) >= 60
    assert {answer.error_code for answer in refused} == {"rate_limit_exceeded"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    await bob.connect()


@pytest.mark.parametrize("path", ["/chat/unread", "/chat/friends", "/chat/push/key", "/chat/uploads/{id}"])
async def test_a_hundred_requests_at_once_and_then_429(people: People, stack: Stack, path: str) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    path = path.format(id=uuid.uuid4())
    usual = (await alice.call("GET", path)).status_code
    answers = await ask_at_once(stack.url, alice.token, path, 250)
    many = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} <= {usual, 429, 503}
    assert many
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in many)
    assert {answer.error_code for answer in many} == {"rate_limit_exceeded"}
    served = [answer for answer in answers if answer.status == usual]
    assert len(served) >= 50
    # A replica that Redis keeps waiting counts by itself, and has no number to tell.
    assert any("RateLimit" in answer.headers for answer in served)
    assert (await bob.call("GET", path)).status_code == usual


async def test_a_stored_event_of_more_than_32_kib_is_refused(pair: Pair) -> None:
    alice = await pair.alice.connect()
    media = [{"url": "https://media.example/" + "🙂" * 1_500, "type": "image"} for _ in range(10)]
    await alice.send("message.send", **text_message(pair.conversation, "x", "t", media=media))
    error = await alice.expect_error("validation_error", type="message.send", tempId="t")
    assert "the limit is 32768 bytes" in error["error"]["message"]
