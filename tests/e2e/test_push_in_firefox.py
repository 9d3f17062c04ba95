"""The page's push in Firefox as it is released: its own subscription, its own decryption, its own notifications.

Only the push service is a double. Each test takes as long as `CHAT_PUSH_DELAY_SECONDS` and the grace of a closed page take.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from services.notifier.base64url import encode
from services.notifier.webpush.vapid import VapidKey
from tests.support.autopush import Autopush, autopush
from tests.support.firefox import Firefox, running_firefox
from tests.support.people import People, Person, text_message
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(240)

SECONDS = 60
AWAY = "/style.css"
"""A document of the same origin that is no client: the service worker can be asked from it."""
BELL = "document.querySelector('#notifications')"
REGISTRATION = "(await navigator.serviceWorker.getRegistration('/'))"
SHOWN = f"""(async () => (await {REGISTRATION}.getNotifications())
  .map(({{ title, body, tag, data }}) => ({{ title, body, tag, unread: data.unread }})))()"""

KEEP = f"""(async () => {{
  const [shown] = await {REGISTRATION}.getNotifications();
  const {{ title, body, tag, data }} = shown;
  await {REGISTRATION}.showNotification(title, {{ body, tag, data, requireInteraction: true }});
}})()"""
"""Shows the notification again, so that it stays: those that Firefox draws itself end after 20 s."""


@dataclass
class Browser:
    """Firefox, its push service, and the system that it visits."""

    firefox: Firefox
    service: Autopush
    stack: Stack

    async def subscribe(self, person: Person) -> None:
        """Open the page as this person, and switch notifications on."""
        await self.firefox.visit(f"{self.stack.url}/?user={person.username}")
        await self.firefox.holds(f"{BELL}.onclick !== null && {BELL}.getAttribute('aria-pressed') === 'false'")
        await self.firefox.click("#notifications")
        await self.firefox.holds(f"{BELL}.getAttribute('aria-pressed') === 'true'")
        assert await self.registered(person) == self.endpoints

    @property
    def endpoints(self) -> set[str]:
        """The browser's subscriptions at its push service."""
        return {self.service.endpoint_of(channel) for channel in self.service.channels.values()}

    @property
    def keys(self) -> set[str]:
        """The VAPID keys that the browser's subscriptions are bound to, base64url without padding."""
        return {channel.key for channel in self.service.channels.values()}

    async def registered(self, person: Person) -> set[str]:
        """The person's subscriptions that the notifier knows."""
        connection = await asyncpg.connect(self.stack.database_url)
        try:
            rows = await connection.fetch("SELECT endpoint FROM notifier.subscriptions WHERE user_id = $1", person.id)
        finally:
            await connection.close()
        return {row["endpoint"] for row in rows}


@pytest.fixture(scope="module")
async def browser(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Firefox with a push service that the stack's notifier may post to."""
    profile = tmp_path_factory.mktemp("firefox")
    async with (
        autopush() as service,
        stack.settings("notifier-1", CHAT_PUSH_ALLOWED_HOSTS=service.origin),
        running_firefox(profile, {"dom.push.serverURL": service.url}) as firefox,
    ):
        yield Browser(firefox, service, stack)


async def test_a_message_is_shown_to_who_is_not_connected_until_it_is_read_elsewhere(
    browser: Browser, people: People
) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation = await bob.conversation_with(alice)
    await browser.subscribe(alice)
    await browser.firefox.visit(browser.stack.url + AWAY)
    socket = await bob.connect()
    await socket.send("message.send", **text_message(conversation, "สวัสดี 👋🏽"))
    await socket.expect("message.sent")
    await browser.firefox.holds(f"(await {SHOWN}).length > 0")
    shown = {
        "title": f"New message from {bob.username}",
        "body": "สวัสดี 👋🏽",
        "tag": f"conversation-{conversation}",
        "unread": {"conversation": 1, "total": 1},
    }
    assert await browser.firefox.evaluate(SHOWN) == [shown]
    assert browser.service.statuses == [201]

    # The page alone doesn't close it: nothing is read yet.
    await browser.firefox.evaluate(KEEP)
    await browser.firefox.visit(f"{browser.stack.url}/?user={alice.username}")
    await browser.firefox.holds("document.querySelector('#me-avatar').dataset.status === 'online'")
    assert await browser.firefox.evaluate(SHOWN) == [shown]
    phone = await alice.connect()
    await phone.send("message.read", conversationId=conversation)
    await phone.expect("message.read_ack")
    await browser.firefox.holds(f"(await {SHOWN}).length === 0")


async def test_a_subscription_that_the_push_service_lost_is_made_again(browser: Browser, people: People) -> None:
    alice = people.make("alice")
    await browser.subscribe(alice)
    before = browser.endpoints
    await browser.service.forget()

    async def is_renewed() -> bool:
        known = await browser.registered(alice)
        return bool(browser.endpoints - before) and browser.endpoints <= known

    await eventually(is_renewed, SECONDS)


async def test_a_subscription_of_the_old_key_goes_on_until_the_page_renews_it(browser: Browser, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation = await bob.conversation_with(alice)
    await browser.subscribe(alice)
    before, [old_key] = browser.endpoints, browser.keys
    old, new = browser.stack.setting("CHAT_VAPID_PRIVATE_KEY"), VapidKey.generate()
    socket, answered = await bob.connect(), len(browser.service.statuses)

    async def say(text: str) -> None:
        await socket.send("message.send", **text_message(conversation, text))
        await socket.expect("message.sent")

    async with browser.stack.settings("notifier-1", CHAT_VAPID_PRIVATE_KEY=f"{new.private_text()},{old}"):
        # The push service answers 401 to any key but that of the subscription.
        await browser.firefox.visit(browser.stack.url + AWAY)
        await say("with the old key")
        await browser.firefox.holds(f"(await {SHOWN}).some(({{ body }}) => body === 'with the old key')")
        assert browser.endpoints == before

        await browser.firefox.visit(f"{browser.stack.url}/?user={alice.username}")

        async def is_renewed() -> bool:
            return browser.keys == {encode(new.public)} and await browser.registered(alice) == browser.endpoints

        await eventually(is_renewed, SECONDS)
        assert browser.endpoints.isdisjoint(before)
        assert encode(new.public) != old_key
        await browser.firefox.visit(browser.stack.url + AWAY)
        await say("with the new key")
        await browser.firefox.holds(f"(await {SHOWN}).some(({{ body }}) => body === 'with the new key')")
    assert browser.service.statuses[answered:] == [201, 201]


async def test_leaving_ends_the_subscription(browser: Browser, people: People) -> None:
    alice = people.make("alice")
    await browser.subscribe(alice)
    await browser.firefox.click("#leave")
    await browser.firefox.holds("document.querySelector('#login').offsetParent !== null")
    assert await browser.firefox.evaluate(f"{REGISTRATION}.pushManager.getSubscription()") is None

    async def is_gone() -> bool:
        return not browser.endpoints and not await browser.registered(alice)

    await eventually(is_gone, SECONDS)
