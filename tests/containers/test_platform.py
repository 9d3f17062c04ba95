"""Under Compose too, files are uploaded and read, the server API answers, and webhooks arrive."""

from collections.abc import AsyncIterator

import pytest

from tests.containers.system import System
from tests.support.people import People, text_message
from tests.support.platform import Platform
from tests.support.uploads import File, fetch, picture, upload
from tests.support.webhook_receiver import Receiver, receiver

HOOK_SECONDS = 300
"""Webhooks that earlier tests caused were refused while nobody listened, and are posted again only now and then."""


@pytest.fixture
async def hook(system: System) -> AsyncIterator[Receiver]:
    """The platform's own back end, on the machine that the containers run on."""
    async with receiver(system.host(), system.hook_port) as made:
        yield made


async def test_a_picture_is_uploaded_and_seen_by_the_other(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation = await alice.conversation_with(bob)
    media = await upload(alice, conversation, File(picture()))
    sender, receiving = await alice.connect(), await bob.connect()
    body = {"conversationId": conversation, "type": "image", "media": [{"uploadId": media["uploadId"]}], "tempId": "t1"}
    await sender.send("message.send", **body)
    new = (await receiving.expect("message.new"))["payload"]["message"]
    assert (new["media"][0]["width"], new["media"][0]["height"]) == (300, 200)
    assert (await fetch(new["media"][0]["url"])).status_code == 200


async def test_the_server_api_sends_a_message(system: System, people: People) -> None:
    platform = Platform(system.admin_url)
    alice, bob = people.make("alice"), await platform.make_user("bob")
    await alice.get("/chat/users/me")
    made = await platform.expect(201, "POST", "/conversations", json={"userIds": [alice.id, bob["id"]]})
    socket = await alice.connect()
    body = {"senderId": bob["id"], "type": "text", "content": "from the platform", "tempId": "1"}
    await platform.expect(201, "POST", f"/conversations/{made['id']}/messages", json=body)
    assert (await socket.expect("message.new"))["payload"]["message"]["content"] == "from the platform"


async def test_webhooks_reach_a_back_end_on_this_machine(hook: Receiver, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation = await alice.conversation_with(bob)
    sender = await alice.connect()
    await sender.send("message.send", **text_message(conversation, "Hello there!", "t1"))
    sent = (await sender.expect("message.sent"))["payload"]["message"]
    told = await hook.expect("message.created", conversationId=conversation, timeout=HOOK_SECONDS)
    assert told["data"]["id"] == sent["id"]
