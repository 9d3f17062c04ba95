"""Pushes to apps: FCM and APNs as they speak, HTTP/2 over TLS, with the operator's keys."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.notifier.delivery.outcome import Reason
from shared.protocol.topology import NOTIFIER_RETRY_WAITS
from tests.integration.notifier.conftest import Broker, Running, Start, counted, undelivered, until
from tests.support.native_push import (
    NativeAnswer,
    NativeService,
    TokenServer,
    apns_key,
    native_service,
    service_account,
    token_server,
)

PATH = "/chat/push/devices"
APNS_TOKEN = "a1b2c3d4" * 8
FCM_TOKEN = "dQw4w9WgXcQ:APA91bHqjZxM0VImWWqDRN7U0a3A"
PEM, PUBLIC = apns_key()


@pytest.fixture
async def native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NativeService]:
    async with native_service(tmp_path) as service:
        monkeypatch.setenv("SSL_CERT_FILE", str(service.certificate))
        yield service


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    async with token_server() as server:
        yield server


@pytest.fixture
async def notifier(start: Start, native: NativeService, tokens: TokenServer) -> AsyncIterator[Running]:
    """A notifier with both platforms set up."""
    async with start(
        fcm_credentials=service_account(tokens.uri),
        fcm_url=native.origin,
        apns_key=PEM,
        apns_key_id="ABC123DEFG",
        apns_team_id="DEF123GHIJ",
        apns_topics=["com.example.chat", "com.example.other"],
        apns_url=native.origin,
    ) as running:
        yield running


async def register(notifier: Running, user_id: str, platform: str, token: str, app: str | None = None) -> None:
    body = {"platform": platform, "token": token, **({} if app is None else {"app": app})}
    response = await notifier.call("PUT", PATH, user_id, body)
    assert response.status_code == 204, response.text


async def registered(notifier: Running, user_id: str) -> set[str]:
    rows = await notifier.pool.fetch("SELECT token FROM notifier.devices WHERE user_id = $1", user_id)
    return {row["token"] for row in rows}


async def test_an_apple_device_gets_an_alert(
    notifier: Running, broker: Broker, native: NativeService, user_id: str
) -> None:
    await register(notifier, user_id, "apns", APNS_TOKEN)
    message = undelivered(user_id, sender_name="Somchai S.", preview="สวัสดี")
    await broker.undelivered(message)
    [got] = await native.wait_for(1)
    assert (got.path, got.headers[":method"]) == (f"/3/device/{APNS_TOKEN}", "POST")
    assert got.headers["apns-topic"] == "com.example.chat"
    assert (got.headers["apns-push-type"], got.headers["apns-priority"]) == ("alert", "10")
    assert got.headers["apns-expiration"] == str(message.created_at_ms // 1000 + 86_400)
    assert 0 < len(got.headers["apns-collapse-id"]) <= 64
    token = got.headers["authorization"].removeprefix("bearer ")
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "ABC123DEFG", "typ": "JWT"}
    assert isinstance(PUBLIC, ec.EllipticCurvePublicKey)
    assert jwt.decode(token, PUBLIC, ["ES256"])["iss"] == "DEF123GHIJ"
    assert got.body == {
        "aps": {
            "alert": {"title": "New message from somchai", "body": "สวัสดี"},
            "badge": 1,
            "sound": "default",
            "thread-id": message.conversation_id,
        },
        "data": {
            "type": "chat.message",
            "conversationId": message.conversation_id,
            "messageId": message.message_id,
            "senderId": message.sender_id,
            "senderName": "Somchai S.",
            "unread": {"conversation": 1, "total": 1},
        },
    }


async def test_a_push_by_fcm_has_a_token_of_the_service_account(
    notifier: Running, broker: Broker, native: NativeService, tokens: TokenServer, user_id: str
) -> None:
    await register(notifier, user_id, "fcm", FCM_TOKEN)
    first = undelivered(user_id)
    await broker.undelivered(first, undelivered(user_id, conversation_id=first.conversation_id, seq=2))
    got, second = await native.wait_for(2)
    assert got.path == "/v1/projects/chat-test/messages:send"
    assert got.headers["authorization"] == f"Bearer {tokens.token}"
    [grant] = tokens.grants
    assert jwt.decode(grant, options={"verify_signature": False})["scope"].endswith("/firebase.messaging")
    message = got.body["message"]
    assert message["token"] == FCM_TOKEN
    assert message["notification"] == {"title": "New message from somchai", "body": "Hello there!"}
    assert message["data"]["conversationId"] == first.conversation_id
    assert set(map(type, message["data"].values())) == {str}
    assert message["android"]["priority"] == "HIGH"
    assert message["android"]["collapse_key"] == second.body["message"]["android"]["collapse_key"]
    assert native.connections == 1


@pytest.mark.parametrize(
    ("platform", "token", "answer"),
    [
        ("apns", APNS_TOKEN, NativeAnswer(410, {"reason": "Unregistered", "timestamp": 1})),
        ("apns", APNS_TOKEN, NativeAnswer(400, {"reason": "BadDeviceToken"})),
        ("fcm", FCM_TOKEN, NativeAnswer(404, {"error": {"details": [{"errorCode": "UNREGISTERED"}]}})),
        ("fcm", FCM_TOKEN, NativeAnswer(403, {"error": {"details": [{"errorCode": "SENDER_ID_MISMATCH"}]}})),
        (
            "fcm",
            FCM_TOKEN,
            NativeAnswer(
                400,
                {
                    "error": {
                        "status": "INVALID_ARGUMENT",
                        "details": [{"fieldViolations": [{"field": "message.token"}]}],
                    }
                },
            ),
        ),
    ],
)
async def test_a_dead_token_is_forgotten(
    notifier: Running,
    broker: Broker,
    native: NativeService,
    user_id: str,
    platform: str,
    token: str,
    answer: NativeAnswer,
) -> None:
    native.answers = [answer]
    await register(notifier, user_id, platform, token)
    before = counted("chat_push_pruned_total")
    await broker.undelivered(undelivered(user_id))
    await until(lambda: counted("chat_push_pruned_total") == before + 1)
    assert await registered(notifier, user_id) == set()


@pytest.mark.parametrize(
    ("platform", "token", "answer"),
    [
        ("apns", APNS_TOKEN, NativeAnswer(403, {"reason": "InvalidProviderToken"})),
        ("fcm", FCM_TOKEN, NativeAnswer(401, {"error": {"status": "UNAUTHENTICATED"}})),
        ("fcm", FCM_TOKEN, NativeAnswer(404, {"error": {"status": "NOT_FOUND"}})),
        ("fcm", FCM_TOKEN, NativeAnswer(404, "nonsense")),
    ],
)
async def test_a_fault_of_the_operator_forgets_no_device(
    notifier: Running,
    broker: Broker,
    native: NativeService,
    user_id: str,
    platform: str,
    token: str,
    answer: NativeAnswer,
) -> None:
    native.answers = [answer]
    await register(notifier, user_id, platform, token)
    before = counted("chat_push_failed_total", reason=Reason.KEY_REFUSED)
    await broker.undelivered(undelivered(user_id))
    await until(lambda: counted("chat_push_failed_total", reason=Reason.KEY_REFUSED) == before + 1)
    assert await registered(notifier, user_id) == {token}


@pytest.mark.parametrize(("platform", "token"), [("apns", APNS_TOKEN), ("fcm", FCM_TOKEN)])
async def test_a_failure_is_tried_again(
    notifier: Running, broker: Broker, native: NativeService, user_id: str, platform: str, token: str
) -> None:
    native.answers = [NativeAnswer(503), NativeAnswer(200)]
    await register(notifier, user_id, platform, token)
    await broker.undelivered(undelivered(user_id))
    first, second = await native.wait_for(2)
    assert first.body.keys() == second.body.keys()


async def test_a_throttled_device_waits_as_long_as_apns_asks(
    notifier: Running, broker: Broker, native: NativeService, user_id: str
) -> None:
    native.answers = [NativeAnswer(429, {"reason": "TooManyRequests"}, {"retry-after": "90"})]
    await register(notifier, user_id, "apns", APNS_TOKEN)
    await broker.undelivered(undelivered(user_id))
    await broker.wait_for(NOTIFIER_RETRY_WAITS[120], 1)


async def test_another_app_of_the_operator_has_its_own_topic(
    notifier: Running, broker: Broker, native: NativeService, user_id: str
) -> None:
    await register(notifier, user_id, "apns", APNS_TOKEN, "com.example.other")
    await broker.undelivered(undelivered(user_id))
    [got] = await native.wait_for(1)
    assert got.headers["apns-topic"] == "com.example.other"
    body = {"platform": "apns", "token": APNS_TOKEN, "app": "com.example.strange"}
    assert (await notifier.call("PUT", PATH, user_id, body)).status_code == 422


async def test_a_device_moves_to_whom_registers_it_and_can_be_forgotten(notifier: Running, user_id: str) -> None:
    other = str(uuid.uuid4())
    await register(notifier, user_id, "fcm", FCM_TOKEN)
    await register(notifier, other, "fcm", FCM_TOKEN)
    assert (await registered(notifier, user_id), await registered(notifier, other)) == (set(), {FCM_TOKEN})
    body = {"platform": "fcm", "token": FCM_TOKEN}
    assert (await notifier.call("DELETE", PATH, user_id, body)).status_code == 204
    assert await registered(notifier, other) == {FCM_TOKEN}
    assert (await notifier.call("DELETE", PATH, other, body)).status_code == 204
    assert await registered(notifier, other) == set()


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"platform": "wns", "token": FCM_TOKEN},
        {"platform": "fcm"},
        {"platform": "fcm", "token": ""},
        {"platform": "fcm", "token": "a" * 1025},
        {"platform": "fcm", "token": "\0" * 20},
        {"platform": "fcm", "token": "x y z 1 2 3"},
        {"platform": "apns", "token": "../../v1/other"},
        {"platform": "fcm", "token": FCM_TOKEN, "app": "a b"},
    ],
)
async def test_other_devices_are_refused(notifier: Running, user_id: str, body: Any) -> None:
    for method in ("PUT", "DELETE"):
        assert (await notifier.call(method, PATH, user_id, body)).status_code == 422


async def test_without_keys_devices_are_stored_and_get_nothing(start: Start, broker: Broker, user_id: str) -> None:
    async with start() as notifier:
        await register(notifier, user_id, "apns", APNS_TOKEN)
        await register(notifier, user_id, "fcm", FCM_TOKEN)
        before = counted("chat_push_unsubscribed_total")
        await broker.undelivered(undelivered(user_id))
        await until(lambda: counted("chat_push_unsubscribed_total") == before + 1)
        assert await registered(notifier, user_id) == {APNS_TOKEN, FCM_TOKEN}
