"""The Python client's REST calls against the OpenAPI document."""

import json
import re
import ssl
from collections.abc import AsyncIterator
from typing import Any

import chat_client.rest
import httpx
import pytest
from chat_client import Rest
from chat_client.tokens import Tokens

from tools.stack.home import ROOT

ID = "0190a1b2-0000-7000-8000-00000000c001"
ANSWER: dict[str, Any] = {
    "items": [],
    "nextPage": None,
    "publicKey": "",
    "uploadId": ID,
    "method": "PUT",
    "url": "http://bucket/",
    "media": {},
}
"""What each call finds in its answer."""


class Recorder:
    """Notes the calls that the client makes, with the names of their queries, and answers them all."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str]] = set()
        self.queries: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one call."""
        if request.url.host != "bucket":
            self.calls.add((request.method, request.url.path.replace(ID, "{}").replace("/bob", "/{}")))
            self.queries |= set(request.url.params)
        return httpx.Response(200, json={**ANSWER, "headers": {}})


@pytest.fixture
def recorder() -> Recorder:
    """What the client asked."""
    return Recorder()


@pytest.fixture
async def rest(recorder: Recorder) -> AsyncIterator[Rest]:
    """The calls, which never leave this process."""

    async def token() -> str:
        return "token"

    http = httpx.AsyncClient(base_url="http://chat", transport=httpx.MockTransport(recorder.answer))
    client = Rest("http://chat", Tokens(token), http)
    yield client
    await client.aclose()


def documented() -> dict[tuple[str, str], list[str]]:
    """Each call of the contract with the names of its query, as the OpenAPI document has it."""
    paths: dict[str, Any] = json.loads((ROOT / "docs/api/openapi.json").read_text(encoding="utf-8"))["paths"]
    return {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)): [
            each["name"] for each in call.get("parameters", []) if each["in"] == "query"
        ]
        for path, calls in paths.items()
        if path.startswith("/chat/")
        for method, call in calls.items()
    }


async def test_each_call_of_the_contract_has_a_method(rest: Rest, recorder: Recorder) -> None:
    await rest.open_conversation(username="bob")
    await rest.conversations(page="next", archived=True, unread=True, pinned=False)
    await rest.conversation(ID)
    await rest.update_conversation(ID, archived=True)
    await rest.clear_conversation(ID)
    await rest.messages(ID, after_seq=1, before_seq=2, around_seq=3)
    await rest.report(ID, [1], "spam")
    await rest.unread()
    await rest.blocks()
    await rest.find_users(username="bob", prefix="bob")
    await rest.me()
    await rest.update_me(displayName="Bob")
    await rest.settings()
    await rest.update_settings(push={"preview": True})
    await rest.follow("bob")
    await rest.unfollow("bob")
    await rest.friends()
    await rest.presence(ID)
    await rest.push_key()
    await rest.subscribe_push({})
    await rest.unsubscribe_push()
    await rest.add_push_device({"platform": "fcm", "token": "t"})
    await rest.remove_push_device({"platform": "fcm", "token": "t"})
    await rest.call("POST", "/chat/uploads")
    await rest.call("POST", f"/chat/uploads/{ID}/complete")
    await rest.get_upload(ID)
    assert recorder.calls == set(documented())
    assert recorder.queries == {name for names in documented().values() for name in names}


async def test_the_clients_of_a_process_read_the_trusted_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    load = ssl.create_default_context

    def counted(*arguments: Any, **options: Any) -> ssl.SSLContext:
        read.append(options)
        return load(*arguments, **options)

    async def token() -> str:
        return "token"

    chat_client.rest._authorities.cache_clear()
    monkeypatch.setattr(ssl, "create_default_context", counted)
    for _ in range(3):
        await Rest("https://chat", Tokens(token)).aclose()
    assert len(read) == 1
