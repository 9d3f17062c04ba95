"""What surrounds the client: proxies that answer for the server, token providers that fail, ids and names in other spellings."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from anyio import fail_after
from chat_client import ChatClient, ConnectionLost, link, tokens
from chat_client.link import Link
from chat_client.receipts import Receipts
from chat_client.tokens import TokenProvider

from tests.unit.chat_client.scripted import CONVERSATION, LATER, STARTED, Peer, ScriptedServer

PAGE = b"<html><title>Log in to the hotel's network</title></html>"
NO_CONVERSATIONS: dict[str, Any] = {"items": [], "nextPage": None}
NOT_FOUND = (404, {"error": {"code": "conversation_not_found", "message": ""}})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer().running() as running:
        yield running


def client_of(server: ScriptedServer, provider: TokenProvider = lambda: "token") -> ChatClient:
    """A client without waiting: its jitter is always nothing."""
    return ChatClient(server.url, provider, random=lambda: 0.0)


async def connected(server: ScriptedServer, client: ChatClient) -> Peer:
    opening = asyncio.create_task(client.open())
    peer = await (await server.accept()).welcome()
    await opening
    return peer


@pytest.mark.parametrize("status", [400, 403])
async def test_a_proxys_refusal_is_one_more_failed_attempt(server: ScriptedServer, status: int) -> None:
    server.refusals, server.refusal = [(status, {})], PAGE
    client = client_of(server)
    await connected(server, client)
    await client.close()


async def test_something_that_accepts_the_upgrade_and_is_no_chat_is_given_up(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "OPEN_SECONDS", 0.5)
    client = client_of(server)
    opening = asyncio.create_task(client.open())
    await server.accept()
    await (await server.accept()).welcome()
    await opening
    await client.close()


async def test_the_page_of_a_captive_portal_is_no_answer(server: ScriptedServer) -> None:
    server.rest["/chat/users/me"] = PAGE
    client = client_of(server)
    with pytest.raises(ConnectionLost, match="no JSON"):
        await client.rest.me()
    await client.close()


async def expect_a_message_after_a_resync(server: ScriptedServer, client: ChatClient) -> None:
    """Reconnect without a replay, and wait for a message that comes then."""
    peer = await connected(server, client)
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=False)
    await peer.new(7)
    assert (await client.wait_for("message.new"))["payload"]["message"]["seq"] == 7
    await client.close()


@pytest.mark.parametrize("answer", [PAGE, NO_CONVERSATIONS])
async def test_a_resync_behind_a_captive_portal_hides_no_new_conversation(server: ScriptedServer, answer: Any) -> None:
    answers = [answer]
    server.rest["/chat/conversations"] = lambda _: answers.pop() if answers else NO_CONVERSATIONS
    server.rest[f"/chat/conversations/{CONVERSATION}"] = NOT_FOUND
    client = client_of(server)
    await expect_a_message_after_a_resync(server, client)


async def test_a_provider_that_fails_during_a_resync_ends_neither_it_nor_the_client(server: ScriptedServer) -> None:
    refused = iter([(401, {"error": {"code": "unauthorized", "message": ""}})])
    server.rest["/chat/conversations"] = lambda _: next(refused, NO_CONVERSATIONS)
    server.rest[f"/chat/conversations/{CONVERSATION}"] = NOT_FOUND
    tokens_left: list[Any] = ["first", OSError("the application's back end is away"), "second"]

    def provide() -> str:
        token = tokens_left.pop(0)
        if isinstance(token, Exception):
            raise token
        return str(token)

    client = client_of(server, provide)
    await expect_a_message_after_a_resync(server, client)


async def test_a_provider_that_hangs_is_asked_again(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PROVIDER_SECONDS", 0.1)
    client = client_of(server, lambda: asyncio.sleep(3600, "late"))
    with pytest.raises(ConnectionLost, match="No token"):
        await client.rest.me()
    await client.close()


async def test_a_provider_that_only_has_the_old_token_is_not_asked_in_a_loop(server: ScriptedServer) -> None:
    asked = asyncio.Semaphore(0)

    def provide() -> str:
        asked.release()
        return "old"

    client = client_of(server, provide)
    peer = await connected(server, client)
    await asked.acquire()
    await peer.send("auth.expiring", {"expiresAt": LATER})
    with fail_after(5):
        await asked.acquire()
    pinging = asyncio.create_task(client.ping())
    await peer.receive("ping")
    pinging.cancel()
    await client.close()


async def test_tokens_that_live_for_seconds_are_not_renewed_in_a_loop(server: ScriptedServer) -> None:
    given = 0

    def provide() -> str:
        nonlocal given
        given += 1
        return f"token-{given}"

    client = client_of(server, provide)
    peer = await connected(server, client)
    for _ in range(2):
        await peer.send("auth.expiring", {"expiresAt": LATER})
        await client.wait_for("auth.expiring")
    await peer.receive("auth.refresh")
    pinging = asyncio.create_task(client.ping())
    await peer.receive("ping")
    pinging.cancel()
    await client.close()


async def test_a_mark_that_is_acknowledged_while_it_is_written_is_not_sent_again() -> None:
    class EagerLink(Link):
        """Its answers come before `send` returns, as when the network takes bytes slowly."""

        def __init__(self) -> None:
            self.sent = asyncio.Event()

        async def wait_open(self) -> None:
            return

        async def send(self, event_type: str, payload: dict[str, Any]) -> None:
            receipts.acknowledge(event_type, payload["conversationId"], payload["seq"])
            self.sent.set()

    eager = EagerLink()
    receipts = Receipts(eager)
    running = asyncio.create_task(receipts.run())
    receipts.add("message.read", CONVERSATION, 4)
    with fail_after(5):
        await eager.sent.wait()
    receipts.suspend()
    eager.sent.clear()
    receipts.resume()
    await asyncio.sleep(0)
    assert not eager.sent.is_set()
    running.cancel()


async def test_ids_in_upper_case_are_those_of_the_server_in_lower_case(server: ScriptedServer) -> None:
    conversation = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
    client = client_of(server)
    peer = await connected(server, client)
    client.mark_read(conversation.upper(), 4)
    assert await peer.receive("message.read") == {"conversationId": conversation, "seq": 4}
    await client.close()


async def test_a_block_is_answered_although_the_server_spells_the_name_differently(server: ScriptedServer) -> None:
    client = client_of(server)
    peer = await connected(server, client)
    blocking = asyncio.create_task(client.block("STRASSE"))
    await peer.receive("block.add")
    await peer.send("block.added", {"username": "Jemand", "blockedAt": LATER})
    await peer.send("block.added", {"username": "Straße", "blockedAt": STARTED})
    with fail_after(5):
        assert await blocking == STARTED
    await client.close()
