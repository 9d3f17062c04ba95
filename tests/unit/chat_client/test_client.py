"""The client against a server that does what each test says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from anyio import fail_after
from chat_client import (
    ChatClient,
    ClientClosed,
    ConnectionLost,
    EventsLost,
    FrameTooBig,
    Media,
    ServerError,
    link,
    outbox,
    receipts,
)
from chat_client.resources import UploadedMedia

from tests.unit.chat_client.scripted import (
    ALICE,
    BOB,
    CONVERSATION,
    LATER,
    OTHER_CONVERSATION,
    STARTED,
    ScriptedServer,
    message,
)

MESSAGES = f"/chat/conversations/{CONVERSATION}/messages"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer().running() as running:
        yield running


@pytest.fixture
def tokens() -> list[str]:
    """The tokens that were asked for."""
    return []


@pytest.fixture
def client(server: ScriptedServer, tokens: list[str]) -> ChatClient:
    """A client without waiting: its jitter is always nothing."""

    def provide() -> str:
        tokens.append(f"token-{len(tokens) + 1}")
        return tokens[-1]

    return ChatClient(server.url, provide, random=lambda: 0.0)


def history(first: int, last: int) -> Any:
    """A REST answer: messages `first` to `last`, as asked for by `afterSeq` or `beforeSeq`."""

    def answer(query: dict[str, str]) -> dict[str, Any]:
        after, before = int(query.get("afterSeq", 0)), int(query.get("beforeSeq", last + 1))
        found = [message(seq) for seq in range(first, last + 1) if after < seq < before]
        limit = int(query["limit"])
        return {"items": found[:limit] if "afterSeq" in query else found[-limit:], "nextPage": None}

    return answer


def conversations(*entries: tuple[str, int, str]) -> dict[str, Any]:
    """A REST answer: (id, last seq, updated at)."""
    return {"items": [{"id": i, "lastSeq": seq, "updatedAt": at} for i, seq, at in entries], "nextPage": None}


async def seen(client: ChatClient, count: int) -> list[int]:
    """The seqs of the next messages."""
    events = [await client.wait_for("message.new") for _ in range(count)]
    return [event["payload"]["message"]["seq"] for event in events]


async def test_it_shows_its_token_and_opens(server: ScriptedServer, client: ChatClient) -> None:
    opening = asyncio.create_task(client.open())
    peer = await server.accept()
    assert peer.authorization == "Bearer token-1"
    assert "cursor" not in peer.query
    assert not opening.done()
    await peer.welcome()
    await opening
    assert client.user_id == ALICE
    await client.close()


async def connected(server: ScriptedServer, client: ChatClient) -> Any:
    opening = asyncio.create_task(client.open())
    peer = await server.accept()
    await peer.welcome()
    await opening
    return peer


async def test_a_send_returns_the_stored_message(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "Hello"))
    payload = await peer.receive("message.send")
    assert (payload["conversationId"], payload["type"], payload["content"]) == (CONVERSATION, "text", "Hello")
    await peer.sent(1, payload["tempId"])
    assert (await sending)["seq"] == 1
    await client.close()


async def test_a_message_names_its_uploads_by_their_ids_alone(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    elsewhere: Media = {"url": "https://cdn.example/1.jpg", "type": "image"}
    upload: UploadedMedia = {
        "uploadId": "e1",
        "url": "https://chat.example/x",
        "type": "image",
        "mimeType": "image/jpeg",
        "size": 3,
        "name": "1.jpg",
    }
    sending = asyncio.create_task(client.send(CONVERSATION, "image", media=[upload, elsewhere]))
    payload = await peer.receive("message.send")
    assert payload["media"] == [{"uploadId": "e1"}, elsewhere]
    await peer.sent(1, payload["tempId"])
    await sending
    await client.close()


async def test_a_send_survives_its_connection_with_the_same_temp_id(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "Hello"))
    first = await peer.receive("message.send")
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=True)
    assert await peer.receive("message.send") == first
    await peer.sent(1, first["tempId"])
    assert (await sending)["seq"] == 1
    await client.close()


async def test_a_send_without_an_answer_gives_a_dead_connection_up(
    server: ScriptedServer, client: ChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "UNANSWERED_SECONDS", 0.05)
    monkeypatch.setattr(link, "PROBE_SECONDS", 0.05)
    peer = await connected(server, client)
    peer.fall_silent()
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "hello", temp_id="t1"))
    # Long before the pings of every 20 s would tell.
    peer = await (await server.accept()).welcome(recovered=True)
    assert (await peer.receive("message.send"))["tempId"] == "t1"
    await peer.sent(1, "t1")
    assert (await sending)["seq"] == 1
    await client.close()


async def test_a_send_waits_as_long_as_the_limit_says(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "Hello"))
    payload = await peer.receive("message.send")
    ref = {"type": "message.send", "tempId": payload["tempId"], "conversationId": CONVERSATION}
    refused_at = asyncio.get_running_loop().time()
    await peer.refuse("rate_limit_exceeded", ref, retryable=True, retry_after=0.2)
    assert await peer.receive("message.send") == payload
    assert asyncio.get_running_loop().time() - refused_at >= 0.2
    await peer.sent(1, payload["tempId"])
    await sending
    await client.close()


async def test_a_refusal_for_good_is_raised(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "Hello"))
    payload = await peer.receive("message.send")
    ref = {"type": "message.send", "tempId": payload["tempId"], "conversationId": CONVERSATION}
    await peer.refuse("blocked", ref, retryable=False)
    with pytest.raises(ServerError, match="blocked") as raised:
        await sending
    assert raised.value.code == "blocked"
    await client.close()


async def test_sends_of_one_conversation_keep_their_order(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = [asyncio.create_task(client.send(CONVERSATION, "text", str(n))) for n in range(3)]
    for n in range(3):
        payload = await peer.receive("message.send")
        assert payload["content"] == str(n)
        await peer.sent(n + 1, payload["tempId"])
    assert [(await task)["seq"] for task in sending] == [1, 2, 3]
    await client.close()


async def test_a_frame_that_the_server_would_not_take_is_not_sent(server: ScriptedServer, client: ChatClient) -> None:
    opening = asyncio.create_task(client.open())
    await (await server.accept()).welcome(maxMessageBytes=200)
    await opening
    with pytest.raises(FrameTooBig):
        await client.send(CONVERSATION, "text", "x" * 200)
    await client.close()


@pytest.mark.parametrize(
    ("conversation", "temp_id"), [("talk", "t"), ("", "t"), (CONVERSATION, ""), (CONVERSATION, "t" * 65)]
)
async def test_ids_that_a_refusal_could_not_name_are_not_sent(
    server: ScriptedServer, client: ChatClient, conversation: str, temp_id: str
) -> None:
    await connected(server, client)
    with pytest.raises(ValueError, match=r"temp_id|UUID"):
        await asyncio.wait_for(client.send(conversation, "text", "Hello", temp_id=temp_id), 60)
    await client.close()


async def test_a_message_over_which_the_server_closed_is_not_sent_again(
    server: ScriptedServer, client: ChatClient
) -> None:
    peer = await connected(server, client)
    large = asyncio.create_task(client.send(CONVERSATION, "text", "x" * 200))
    small = asyncio.create_task(client.send(OTHER_CONVERSATION, "text", "x"))
    for _ in range(2):
        await peer.receive("message.send")
    await peer.close(1009)
    with pytest.raises(FrameTooBig):
        await asyncio.wait_for(large, 60)
    peer = await (await server.accept()).welcome(recovered=True)
    payload = await peer.receive("message.send")
    assert payload["content"] == "x"
    await peer.sent(1, payload["tempId"], conversation=OTHER_CONVERSATION)
    await small
    await client.close()


async def test_it_reconnects_with_the_last_cursor_it_saw(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    await peer.new(1, cursor="c1")
    await peer.new(2, cursor="c2")
    assert await seen(client, 2) == [1, 2]
    peer.cut()
    peer = await server.accept()
    assert peer.query["cursor"] == ["c2"]
    # Its own cursor is ahead of the replayed events: until they came, the old one counts.
    await peer.welcome(recovered=True, cursor="c9")
    await client.wait_for("connection.lost")
    peer.cut()
    assert (await server.accept()).query["cursor"] == ["c2"]
    await client.close()


async def test_a_repeated_event_is_given_out_once(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    for seq in (1, 1, 2, 1, 3):
        await peer.new(seq)
    assert await seen(client, 3) == [1, 2, 3]
    await client.close()


async def test_a_gap_is_filled_over_rest(server: ScriptedServer, client: ChatClient) -> None:
    server.rest[MESSAGES] = history(1, 9)
    peer = await connected(server, client)
    await peer.new(5)
    await peer.new(8)
    assert await seen(client, 4) == [5, 6, 7, 8]
    assert server.requests == [f"{MESSAGES}?afterSeq=5&limit=2"]
    await client.close()


async def test_a_gap_that_history_lacks_is_told(server: ScriptedServer, client: ChatClient) -> None:
    server.rest[MESSAGES] = {"items": [], "nextPage": None}
    peer = await connected(server, client)
    await peer.new(5)
    await peer.new(8)
    lost = await client.wait_for("messages.missing")
    assert lost["payload"] == {"conversationId": CONVERSATION, "afterSeq": 5, "beforeSeq": 8}
    assert await seen(client, 2) == [5, 8]
    await client.close()


async def test_without_replay_it_reads_what_it_lacks(server: ScriptedServer, client: ChatClient) -> None:
    server.rest["/chat/conversations"] = conversations((CONVERSATION, 205, LATER))
    server.rest[MESSAGES] = history(1, 205)
    peer = await connected(server, client)
    await peer.new(3, cursor="c1")
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=False, cursor="c7")
    assert await seen(client, 203) == list(range(3, 206))
    peer.cut()
    assert (await server.accept()).query["cursor"] == ["c7"]
    await client.close()


async def test_without_replay_it_finds_conversations_that_began_meanwhile(
    server: ScriptedServer, client: ChatClient
) -> None:
    new, old = "44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555"
    server.rest["/chat/conversations"] = conversations((new, 3, LATER), (old, 9, "2023-01-01T00:00:00.000Z"))
    stored = [
        message(seq, conversation=new, at=at) for seq, at in [(1, "2023-12-31T00:00:00.000Z"), (2, LATER), (3, LATER)]
    ]
    server.rest[f"/chat/conversations/{new}/messages"] = lambda query: {
        "items": [one for one in stored if one["seq"] > int(query.get("afterSeq", 0))],
        "nextPage": None,
    }
    peer = await connected(server, client)
    peer.cut()
    await (await server.accept()).welcome(recovered=False)
    assert await seen(client, 2) == [2, 3]
    assert all(old not in request for request in server.requests)
    await client.close()


async def test_without_replay_it_reads_archived_conversations(server: ScriptedServer, client: ChatClient) -> None:
    archived, rest = conversations((CONVERSATION, 5, LATER)), conversations()
    server.rest["/chat/conversations"] = lambda query: archived if query.get("archived") == "true" else rest
    server.rest[MESSAGES] = history(1, 5)
    peer = await connected(server, client)
    await peer.new(3)
    peer.cut()
    await (await server.accept()).welcome(recovered=False)
    assert await seen(client, 3) == [3, 4, 5]
    await client.close()


async def test_a_live_message_during_recovery_hides_nothing(server: ScriptedServer, client: ChatClient) -> None:
    held = asyncio.Event()
    server.rest["/chat/conversations"] = lambda _: (503, {}) if not held.is_set() else conversations()
    server.rest[f"/chat/conversations/{CONVERSATION}"] = {"id": CONVERSATION, "lastSeq": 2, "updatedAt": LATER}
    server.rest[MESSAGES] = history(1, 2)
    peer = await connected(server, client)
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=False)
    await peer.new(2)
    await peer.send("user.online", {"userId": ALICE})
    await client.wait_for("user.online")
    held.set()
    assert await seen(client, 2) == [1, 2]
    await client.close()


async def test_an_expired_token_is_renewed(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    await peer.close(4401)
    assert (await server.accept()).authorization == "Bearer token-2"
    await client.close()


async def test_a_token_that_ends_soon_is_refreshed(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    await peer.send("auth.expiring", {"expiresAt": LATER})
    assert await peer.receive("auth.refresh") == {"token": "token-2"}
    await client.close()


async def test_a_refused_token_is_renewed_and_then_given_up(server: ScriptedServer, client: ChatClient) -> None:
    server.refusals = [(401, {})] * 3
    with pytest.raises(ClientClosed, match="unauthorized") as raised:
        await client.open()
    assert raised.value.code == 401


async def test_refusals_within_a_second_do_not_end_a_client_that_was_connected(
    server: ScriptedServer, client: ChatClient
) -> None:
    peer = await connected(server, client)
    server.refusals = [(401, {})] * 5  # a revocation, or a key that was rotated
    peer.cut()
    await (await server.accept()).welcome(recovered=True)
    assert server.refusals == []
    await client.close()


async def test_a_busy_server_is_asked_again_after_its_time(server: ScriptedServer, client: ChatClient) -> None:
    server.refusals = [(503, {"Retry-After": "1"})]
    began_at = asyncio.get_running_loop().time()
    await connected(server, client)
    assert asyncio.get_running_loop().time() - began_at >= 1
    await client.close()


async def test_a_replaced_client_does_not_come_back(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "Hello"))
    await peer.receive("message.send")
    await peer.close(4409)
    with pytest.raises(ClientClosed, match="replaced"):
        await sending
    with pytest.raises(ClientClosed, match="replaced"):
        async for _ in client.events():
            pass
    with pytest.raises(ClientClosed):
        await client.wait_for("message.new")
    await client.close()


async def test_receipts_are_joined_and_repeated_after_a_loss(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    for seq in (1, 2, 3):
        client.mark_read(CONVERSATION, seq)
    assert await peer.receive("message.read") == {"conversationId": CONVERSATION, "seq": 3}
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=True)
    assert await peer.receive("message.read") == {"conversationId": CONVERSATION, "seq": 3}
    counts = {"conversation": 0, "total": 0}
    await peer.send("message.read_ack", {"conversationId": CONVERSATION, "readAt": LATER, "seq": 3, "unread": counts})
    await client.wait_for("message.read_ack")
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=True)
    client.mark_delivered(CONVERSATION, 4)
    assert await peer.receive("message.delivered") == {"conversationId": CONVERSATION, "seq": 4}
    await client.close()


async def test_a_status_is_set_again_after_a_reconnect(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    await client.set_presence("busy")
    assert await peer.receive("presence.set") == {"status": "busy"}
    assert "status" not in peer.query
    peer.cut()
    peer = await server.accept()
    assert peer.query["status"] == ["busy"]
    await peer.welcome(recovered=True)
    assert await peer.receive("presence.set") == {"status": "busy"}
    await client.close()


async def test_a_block_is_answered_or_refused(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    blocking = asyncio.create_task(client.block("spammer"))
    assert await peer.receive("block.add") == {"username": "spammer"}
    await peer.send("block.added", {"username": "spammer", "blockedAt": STARTED})
    assert await blocking == STARTED
    blocking = asyncio.create_task(client.block("nobody"))
    await peer.receive("block.add")
    await peer.refuse("user_not_found", {"type": "block.add"}, retryable=False)
    with pytest.raises(ServerError, match="user_not_found"):
        await blocking
    blocking = asyncio.create_task(client.block("somebody"))
    await peer.receive("block.add")
    peer.cut()
    with pytest.raises(ConnectionLost):
        await blocking
    await client.close()


async def test_readers_begin_with_the_first_event_and_end_with_the_client(
    server: ScriptedServer, client: ChatClient
) -> None:
    peer = await connected(server, client)
    await peer.new(1)
    await client.wait_for("message.new")
    await client.close()
    assert [event["type"] async for event in client.events()] == ["connection.success", "message.new"]


async def test_a_reader_that_is_too_slow_is_told(server: ScriptedServer) -> None:
    client = ChatClient(server.url, lambda: "token", backlog=2)
    peer = await connected(server, client)
    events = aiter(client.events())
    await anext(events)
    for seq in range(1, 5):
        await peer.new(seq)
    await client.wait_for("message.new", lambda event: event["payload"]["message"]["seq"] == 4)
    with pytest.raises(EventsLost):
        await anext(events)
    await client.close()


async def test_nonsense_is_ignored(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    await peer.send("moon.risen", {"phase": "full"}, extra=1)
    assert (await client.wait_for("moon.risen"))["payload"] == {"phase": "full"}
    await client.close()


async def test_delivered_marks_of_long_ago_are_not_repeated(
    server: ScriptedServer, client: ChatClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await connected(server, client)
    client.mark_delivered(CONVERSATION, 4)
    await peer.receive("message.delivered")
    monkeypatch.setattr(receipts, "DOUBT_SECONDS", 0.0)
    await asyncio.sleep(0)
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=True)
    client.mark_delivered(OTHER_CONVERSATION, 1)
    assert await peer.receive("message.delivered") == {"conversationId": OTHER_CONVERSATION, "seq": 1}
    await client.close()


async def test_delivered_marks_that_may_be_lost_are_repeated(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    client.mark_delivered(CONVERSATION, 4)
    await peer.receive("message.delivered")
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=True)
    assert await peer.receive("message.delivered") == {"conversationId": CONVERSATION, "seq": 4}
    await client.close()


async def test_another_devices_block_answers_no_request(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    blocking = asyncio.create_task(client.block("spammer"))
    await peer.receive("block.add")
    await peer.send("block.added", {"username": "somebody else", "blockedAt": LATER})
    await peer.send("block.added", {"username": "spammer", "blockedAt": STARTED})
    assert await blocking == STARTED
    await client.close()


async def test_what_was_started_for_a_connection_is_not_kept(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    await client.set_presence("busy")
    await peer.receive("presence.set")
    running = len(client._tasks)
    for _ in range(5):
        peer.cut()
        peer = await (await server.accept()).welcome(recovered=True)
        await peer.receive("presence.set")
    await client.wait_for("connection.success")
    assert len(client._tasks) <= running + 1
    await client.close()


async def test_a_resync_that_is_refused_hides_no_new_conversation(server: ScriptedServer, client: ChatClient) -> None:
    server.rest["/chat/conversations"] = (500, {"error": {"code": "internal_error", "message": "", "retryable": False}})
    server.rest[f"/chat/conversations/{CONVERSATION}"] = (
        404,
        {"error": {"code": "conversation_not_found", "message": ""}},
    )
    peer = await connected(server, client)
    server.rest["/chat/conversations"] = (403, {"error": {"code": "forbidden", "message": ""}})
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=False)
    await peer.new(7)
    await peer.new(8)
    assert await seen(client, 2) == [7, 8]
    await client.close()


async def test_a_resync_that_was_refused_is_repeated_on_the_next_connection(
    server: ScriptedServer, client: ChatClient
) -> None:
    refused = asyncio.Event()

    def refuse(_: dict[str, str]) -> tuple[int, dict[str, Any]]:
        refused.set()
        return 403, {"error": {"code": "forbidden", "message": ""}}

    server.rest["/chat/conversations"] = refuse
    server.rest[MESSAGES] = history(1, 5)
    peer = await connected(server, client)
    await peer.new(3)
    peer.cut()
    peer = await (await server.accept()).welcome(recovered=False)
    with fail_after(60):
        await refused.wait()
    server.rest["/chat/conversations"] = conversations((CONVERSATION, 5, LATER))
    peer.cut()
    await (await server.accept()).welcome(recovered=True)
    assert await seen(client, 3) == [3, 4, 5]
    await client.close()


async def test_typing_ends_by_itself_when_its_end_is_lost(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    who = {"conversationId": CONVERSATION, "userId": BOB}
    await peer.send("typing.start", {**who, "expiresInMs": 50})
    assert (await client.wait_for("typing.stop"))["payload"] == who
    await client.close()


async def test_messages_are_reported_as_delivered_where_that_is_wanted(server: ScriptedServer) -> None:
    client = ChatClient(server.url, lambda: "token", auto_delivered=True, random=lambda: 0.0)
    peer = await connected(server, client)
    await peer.new(1)
    assert await peer.receive("message.delivered") == {"conversationId": CONVERSATION, "seq": 1}
    await client.close()


async def test_changes_of_messages_are_answered_by_their_events(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    editing = asyncio.create_task(client.edit(CONVERSATION, 3, "better"))
    edit = await peer.receive("message.edit")
    assert edit == {"conversationId": CONVERSATION, "seq": 3, "content": "better", "tempId": edit["tempId"]}
    await peer.send("message.updated", {**edit, "tempId": "another", "editedAt": STARTED})
    await peer.send("message.updated", {**edit, "editedAt": LATER})
    assert (await editing)["editedAt"] == LATER
    reacting = asyncio.create_task(client.react(CONVERSATION, 3, "👍"))
    reaction = await peer.receive("reaction.add")
    await peer.send("reaction.updated", {**reaction, "userId": BOB, "active": True, "at": STARTED})
    await peer.send("reaction.updated", {**reaction, "userId": ALICE, "active": True, "at": LATER})
    assert (await reacting)["at"] == LATER
    deleting = asyncio.create_task(client.delete(CONVERSATION, 4))
    await peer.receive("message.delete")
    await peer.refuse("not_allowed", {"type": "message.delete", "conversationId": CONVERSATION}, retryable=False)
    with pytest.raises(ServerError, match="not_allowed"):
        await deleting
    await client.close()


async def test_the_pause_between_retries_of_an_outage_does_not_grow(server: ScriptedServer, client: ChatClient) -> None:
    peer = await connected(server, client)
    sending = asyncio.create_task(client.send(CONVERSATION, "text", "hello", temp_id="t1"))
    ref = {"type": "message.send", "tempId": "t1", "conversationId": CONVERSATION}
    with fail_after(10):
        for _ in range(8):
            await peer.receive("message.send")
            await peer.refuse("send_failed", ref, retryable=True, retry_after=0.02)
        await peer.receive("message.send")
        await peer.sent(1, "t1")
        assert (await sending)["seq"] == 1
    await client.close()
