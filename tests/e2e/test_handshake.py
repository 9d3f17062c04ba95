"""Handshakes: tokens, verdicts and the first events (docs/protocol.md, «Connecting»)."""

import time
import uuid
from typing import Any

import jwt
import pytest

from shared.protocol.features import FEATURES
from tests.support.people import People
from tests.support.plain_http import plain_http
from tests.support.sockets import SOCKET_PATH, RawSocket, refused
from tests.support.stack import Stack
from tools.devtoken import mint

UNAUTHORIZED = {
    "type": "error",
    "error": {"code": "unauthorized", "message": "Authentication required", "retryable": False},
}


async def test_connection_success_tells_all_that_a_client_needs(people: People) -> None:
    alice = people.make("alice")
    socket = await alice.connect(greet=False)
    payload = (await socket.expect("connection.success"))["payload"]
    assert payload.keys() == {
        "userId",
        "connectedAt",
        "connectionId",
        "recovered",
        "cursor",
        "heartbeatSeconds",
        "maxMessageBytes",
        "expiresAt",
        "features",
    }
    assert payload["userId"] == alice.id
    assert payload["features"] == list(FEATURES)
    assert payload["recovered"] is None
    assert payload["heartbeatSeconds"] == 54
    assert payload["maxMessageBytes"] == 512 * 1024
    assert payload["cursor"]
    assert uuid.UUID(payload["connectionId"])
    assert payload["connectedAt"].endswith("Z")
    assert len(payload["connectedAt"]) == len("2024-01-01T11:00:00.000Z")


async def test_status_bulk_follows_even_without_friends(people: People) -> None:
    socket = await people.make().connect(greet=False)
    await socket.expect("status.bulk", users=[])
    assert [event["type"] for event in socket.events] == ["connection.success", "status.bulk"]


async def test_token_in_the_subprotocol_is_not_echoed(people: People, stack: Stack) -> None:
    alice = people.make("alice")
    socket = await RawSocket.connect(stack.url, None, subprotocols=["chat.v1", f"bearer.{alice.token}"])
    async with socket:
        await socket.expect("connection.success", userId=alice.id)
        assert socket.connection.subprotocol == "chat.v1"


async def test_token_in_the_query(people: People, stack: Stack) -> None:
    alice = people.make("alice")
    async with await RawSocket.connect(stack.url, None, query={"token": alice.token}) as socket:
        await socket.expect("connection.success", userId=alice.id)


async def test_two_differing_tokens_are_refused(people: People, stack: Stack) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    refusal = await refused(stack.url, alice.token, query={"token": bob.token})
    assert refusal.status == 400
    assert refusal.body["error"]["code"] == "validation_error"


def forged(**changes: Any) -> str:
    claims = {"sub": str(uuid.uuid4()), "exp": int(time.time()) + 60} | changes.pop("claims", {})
    return jwt.encode(
        claims, changes.get("key", "some-other-secret-0123456789abcdef"), changes.get("algorithm", "HS256")
    )


@pytest.mark.parametrize(
    "token",
    [
        None,
        "nonsense",
        "a.b.c",
        forged(),
        forged(algorithm="none", key=""),
        mint("alice", lifetime_seconds=-60),
    ],
    ids=["missing", "nonsense", "malformed", "wrong-signature", "unsigned", "expired"],
)
async def test_bad_token_is_401_with_a_body(stack: Stack, token: str | None) -> None:
    refusal = await refused(stack.url, token)
    assert (refusal.status, refusal.body) == (401, UNAUTHORIZED)


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("nonsense", 401), (mint("alice"), 426)])
async def test_plain_get_gives_the_same_verdict(stack: Stack, token: str | None, status: int) -> None:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with plain_http(stack.url) as client:
        response = await client.get(SOCKET_PATH, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.json() == UNAUTHORIZED


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://127.0.0.1:1"])
async def test_a_foreign_origin_is_403(people: People, stack: Stack, origin: str) -> None:
    refusal = await refused(stack.url, people.make().token, additional_headers={"Origin": origin})
    assert refusal.status == 403
    assert refusal.body["type"] == "error"


async def test_our_own_origin_is_welcome(people: People, stack: Stack) -> None:
    socket = await people.make().connect(additional_headers={"Origin": stack.url})
    assert socket.of_type("connection.success")


async def test_user_is_known_by_name_as_soon_as_connected(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    socket = await bob.connect(greet=False)
    await socket.expect("connection.success")
    response = await alice.call("POST", "/chat/conversations", json={"username": bob.username})
    assert response.status_code == 201, response.text


async def test_probes_and_metrics_are_not_routed_from_outside(stack: Stack) -> None:
    async with plain_http(stack.url) as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path)).status_code == 404, path
