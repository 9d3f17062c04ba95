"""One message can be followed: through spans by its ids, in debug lines, and with `chatctl trace`."""

import json
import uuid

from tests.e2e.conftest import Pair
from tests.e2e.test_chatctl import chatctl
from tests.support.people import text_message
from tests.support.push_service import push_service
from tests.support.stack import Stack
from tests.support.trace_receiver import trace_receiver

TRACED = ("gateway-1", "gateway-2", "messaging-1", "presence-1", "notifier-1")


async def test_a_message_is_one_trace_from_the_frame_to_the_push(stack: Stack, pair: Pair) -> None:
    async with trace_receiver() as traces, push_service() as push:
        settings = {
            "CHAT_TRACES_URL": traces.url,
            "CHAT_TRACES_RATIO": "1",
            "CHAT_PUSH_ALLOWED_HOSTS": push.origin,
            "CHAT_PUSH_DELAY_SECONDS": "1",
        }
        async with stack.settings(*TRACED, **settings):
            browser = push.browser()
            answer = await pair.bob.call("PUT", "/chat/push/subscriptions", json=browser.subscription)
            assert answer.status_code == 204, answer.text
            async with await pair.alice.connect() as socket:
                await traces.wait_for(lambda span: span.name == "presence.commands" and pair.alice.id in users(span))
                await socket.send("message.send", **text_message(pair.conversation, "Hello there!", "followed"))
                sent = await socket.expect("message.sent", tempId="followed")
            message = sent["payload"]["message"]["id"]
            # Each service sends its spans when it likes: a later one may be here first.
            stored = await traces.wait_for(
                lambda span: span.name == "messaging.store" and message in span.ids.get("chat.message_ids", ())
            )
            assert stored.service == "chat-messaging"
            assert stored.ids["chat.conversation_ids"] == [pair.conversation]
            assert stored.ids["chat.user_ids"] == [pair.alice.id]
            pushed = await traces.wait_for(
                lambda span: span.name == "notifier.push" and message in span.ids.get("chat.message_ids", ())
            )
            assert pushed.trace_id == stored.trace_id
            assert pushed.ids["chat.outcomes"] == ["accepted"]
            for name in ("gateway.commands", "messaging.cycle", "messaging.fanout", "gateway.deliver"):
                await traces.wait_for(lambda span, name=name: (span.name, span.trace_id) == (name, stored.trace_id))  # type: ignore[misc]
            sending = next(s for s in traces.spans if (s.name, s.trace_id) == ("gateway.commands", stored.trace_id))
            assert sending.ids["chat.temp_ids"] == ["followed"]
    assert push.to(browser)


def users(span: object) -> list[str]:
    return list(getattr(span, "ids", {}).get("chat.user_ids", ()))


async def test_the_tool_says_where_a_message_has_been(stack: Stack, pair: Pair) -> None:
    sender, receiver = await pair.alice.connect(), await pair.bob.connect()
    await sender.send("message.send", **text_message(pair.conversation, "not to be shown", "1"))
    message = (await receiver.expect("message.new"))["payload"]["message"]
    await receiver.send("message.read", conversationId=pair.conversation, seq=message["seq"])
    await sender.expect("message.read_update")
    status, out, err = await chatctl(stack, "trace", message["id"], "--json")
    assert status == 0, err
    told = json.loads(out)
    assert pair.conversation in told["stored"]
    assert (told["from"], told["to"], told["delivered"], told["read"]) == (pair.alice.id, pair.bob.id, "yes", "yes")
    assert told["sender's inbox"].startswith("at ")
    assert told["receiver's inbox"].startswith("at ")
    assert " on " in told["receiver's connections"]
    assert message["id"] in told["traces"]
    assert "not to be shown" not in out
    assert (await chatctl(stack, "trace", message["id"], "--conversation", pair.conversation))[0] == 0


async def test_an_unknown_message_is_said_to_be_unknown(stack: Stack) -> None:
    status, _, err = await chatctl(stack, "trace", str(uuid.uuid4()))
    assert status == 1
    assert "never stored" in err
    status, _, err = await chatctl(stack, "trace", "hello")
    assert status == 1
    assert "UUID" in err


async def test_requests_have_ids_through_the_load_balancer(stack: Stack, pair: Pair) -> None:
    for path in ("/chat/conversations", "/chat/friends", "/chat/push/key"):
        answer = await pair.alice.call("GET", path, headers={"X-Request-Id": "mine-1"})
        assert answer.headers["X-Request-Id"] == "mine-1", path
