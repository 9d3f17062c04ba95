"""Every answer of the services is one that the published OpenAPI document describes."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.e2e.conftest import Pair
from tests.support.declared import CHECKS, operations
from tests.support.fuzzing import FACTOR, scaled
from tests.support.people import People, text_message
from tests.support.plain_http import plain_http
from tests.support.stack import Stack
from tests.support.uploads import File, picture, send_bytes
from tools.docs import asyncapi, openapi

MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
ANYTHING = settings(
    max_examples=scaled(25),
    deadline=None,
    derandomize=FACTOR == 1,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SUBSCRIPTION = {
    "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAA",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}
UPLOAD = {"name": "beach.jpg", "mimeType": "image/jpeg", "size": 1024000}
# Each call as a client means it, with its success; names in braces are those of the test.
RIGHT: list[tuple[str, str, str, dict[str, Any] | None, int]] = [
    ("POST", "/chat/conversations", "", {"username": "{username}"}, 200),
    ("POST", "/chat/conversations", "", {"username": "{stranger}"}, 201),
    ("GET", "/chat/conversations", "?limit=1", None, 200),
    ("GET", "/chat/conversations/{conversation_id}", "", None, 200),
    ("GET", "/chat/conversations/{conversation_id}/messages", "?afterSeq=0", None, 200),
    ("PATCH", "/chat/conversations/{conversation_id}", "", {"pinned": True}, 200),
    ("POST", "/chat/reports", "", {"conversationId": "{conversation_id}", "seqs": [1], "reason": "spam"}, 201),
    ("GET", "/chat/users", "?username={username}", None, 200),
    ("GET", "/chat/users/me/settings", "", None, 200),
    ("PATCH", "/chat/users/me/settings", "", {"push": {"preview": False}}, 200),
    ("PUT", "/chat/push/devices", "", {"platform": "fcm", "token": "device-token"}, 204),
    ("DELETE", "/chat/push/devices", "", {"platform": "fcm", "token": "device-token"}, 204),
    ("GET", "/chat/unread", "", None, 200),
    ("GET", "/chat/blocks", "", None, 200),
    ("GET", "/chat/users/me", "", None, 200),
    ("PATCH", "/chat/users/me", "", {"displayName": "Alice"}, 200),
    ("GET", "/chat/friends", "", None, 200),
    ("GET", "/chat/presence", "?userId={user_id}", None, 200),
    ("PUT", "/chat/follows/{username}", "", None, 200),
    ("DELETE", "/chat/follows/{username}", "", None, 200),
    ("GET", "/chat/push/key", "", None, 200),
    ("PUT", "/chat/push/subscriptions", "", SUBSCRIPTION, 204),
    ("DELETE", "/chat/push/subscriptions", "", {"endpoint": SUBSCRIPTION["endpoint"]}, 204),
    ("POST", "/chat/uploads", "", {**UPLOAD, "conversationId": "{conversation_id}"}, 201),
    ("POST", "/chat/uploads/{upload_id}/complete", "", None, 200),
    ("GET", "/chat/uploads/{upload_id}", "", None, 200),
    ("DELETE", "/chat/conversations/{conversation_id}", "", None, 204),
]


OPERATIONS = operations(openapi.document())


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", OPERATIONS)
def test_whatever_is_asked_is_answered_as_described(label: str, mode: Any, people: People) -> None:
    alice = people.make("alice")

    @ANYTHING
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        headers = {"Authorization": f"Bearer {alice.token}"}
        case.call_and_validate(base_url=alice.url, headers=headers, checks=CHECKS)

    ask()


@pytest.mark.parametrize(
    ("path", "document"), [("/openapi.json", openapi.document), ("/asyncapi.json", asyncapi.document)]
)
async def test_the_system_serves_its_documents(path: str, document: Callable[[], Any], stack: Stack) -> None:
    async with plain_http(stack.url) as client:
        whole = await client.get(path, headers={"Accept-Encoding": "identity"})
        assert (whole.status_code, whole.headers["content-type"]) == (200, "application/json")
        assert whole.json() == document()
        compressed = await client.get(path, headers={"Accept-Encoding": "gzip"})
        assert compressed.json() == document()
        assert int(compressed.headers["content-length"]) < len(whole.content) / 5
        known = await client.get(path, headers={"If-None-Match": whole.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


def test_every_call_is_among_the_right_ones() -> None:
    assert {f"{verb} {path}" for verb, path, *_ in RIGHT} == set(OPERATIONS)


async def test_a_right_call_is_answered_as_described(pair: Pair, people: People) -> None:
    alice, bob, stranger, foe = pair.alice, pair.bob, people.make("stranger"), people.make("foe")
    await stranger.get("/chat/users/me")
    await foe.get("/chat/users/me")
    await alice.befriend(bob)
    socket = await bob.connect()
    await socket.send("message.send", **text_message(pair.conversation, "Hello", "temp-1"))
    await socket.expect("message.sent")
    own = await alice.connect()
    await own.send("block.add", username=foe.username)
    await own.expect("block.added")
    reservation = await send_bytes(alice, pair.conversation, File(picture()))
    path_names = {
        "conversation_id": pair.conversation,
        "username": bob.username,
        "upload_id": reservation["uploadId"],
    }
    names = {**path_names, "stranger": stranger.username, "user_id": bob.id}
    for verb, path, query, body, status in RIGHT:
        json = body and {key: text.format(**names) if isinstance(text, str) else text for key, text in body.items()}
        response = await alice.call(verb, (path + query).format(**names), json=json)
        assert response.status_code == status, (verb, path, response.text)
        OPERATIONS[f"{verb} {path}"].Case(path_parameters=path_names).validate_response(response, checks=CHECKS)
