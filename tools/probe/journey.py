"""The path of a message between two users who exist only for probes."""

import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from chat_client import ChatClient

from tools.probe.browser import listening
from tools.probe.people import TokenSource
from tools.probe.steps import StepFailedError, Steps

PUSH_SECONDS: Final = 90.0
"""Time limit for the push, in seconds: it covers the push delay (at most 20 s by default) and a slow push queue."""


@dataclass(frozen=True, slots=True)
class PushPlace:
    """Address of the probe's push service: the notifier posts to `origin`, which leads to `host` and `port` here."""

    origin: str
    host: str
    port: int


class Journey:
    """One run. `seconds` bounds each step but the push."""

    def __init__(self, url: str, tokens: tuple[TokenSource, TokenSource], seconds: float) -> None:
        self._url = url
        self._tokens = tokens
        self._seconds = seconds
        self.steps = Steps()

    async def run(self, place: PushPlace | None = None) -> Steps:
        """Take all steps; `place` adds the push. The steps say how it went: nothing is raised for what they find."""
        try:
            async with AsyncExitStack() as exits:
                conversation = await self._live(exits)
            if place is not None:
                await self._pushed(conversation, place)
        except StepFailedError:
            pass
        return self.steps

    async def _live(self, exits: AsyncExitStack) -> str:
        """Both are connected: login, send, receive, read. Deletes the message, and returns the conversation's id."""
        async with self.steps.step("login", self._seconds):
            sender = await exits.enter_async_context(ChatClient(self._url, self._tokens[0]))
            receiver = await exits.enter_async_context(ChatClient(self._url, self._tokens[1]))
            other = await receiver.rest.me()
            conversation = (await sender.rest.open_conversation(user_id=other["id"]))["id"]
        async with self.steps.step("send", self._seconds):
            message = await sender.send(conversation, content=_text())
        async with self.steps.step("receive", self._seconds):
            await receiver.wait_for("message.new", lambda event: _id_of(event) == message["id"], None)
        async with self.steps.step("read", self._seconds):
            receiver.mark_read(conversation, message["seq"])
            await sender.wait_for(
                "message.read_update", lambda event: _covers(event, conversation, message["seq"]), None
            )
        async with self.steps.step("delete", self._seconds):
            await sender.delete(conversation, message["seq"])
        return conversation

    async def _pushed(self, conversation: str, place: PushPlace) -> None:
        """The push step: the receiver is not connected and has a browser with a subscription."""
        async with self.steps.step("push", PUSH_SECONDS), AsyncExitStack() as exits:
            browser = await exits.enter_async_context(listening(place.origin, place.host, place.port))
            receiver = ChatClient(self._url, self._tokens[1])
            exits.push_async_callback(receiver.rest.aclose)
            await receiver.rest.subscribe_push(browser.subscription)
            exits.push_async_callback(receiver.rest.unsubscribe_push, browser.subscription["endpoint"])
            sender = await exits.enter_async_context(ChatClient(self._url, self._tokens[0]))
            message = await sender.send(conversation, content=_text())
            await browser.wait_for(message["id"])
            await sender.delete(conversation, message["seq"])


def _text() -> str:
    return f"probe {secrets.token_hex(8)}"


def _id_of(event: Any) -> str:
    return str(event["payload"]["message"]["id"])


def _covers(event: Any, conversation: str, seq: int) -> bool:
    payload = event["payload"]
    return bool(payload["conversationId"] == conversation and payload["seq"] >= seq)
