"""The page's push in Firefox as it is released: its own subscription, its own decryption, its own notifications.

Only the push service is a double. Each test takes as long as `CHAT_PUSH_DELAY_SECONDS` and the grace of a closed page take.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

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


async def test_a_message_is_shown_to_who_is_away_until_it_is_read_elsewhere(browser: Browser, people: People) -> None:
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


async def test_leaving_ends_the_subscription(browser: Browser, people: People) -> None:
    alice = people.make("alice")
    await browser.subscribe(alice)
    await browser.firefox.click("#leave")
    await browser.firefox.holds("document.querySelector('#login').offsetParent !== null")
    assert await browser.firefox.evaluate(f"{REGISTRATION}.pushManager.getSubscription()") is None

    async def is_gone() -> bool:
        return not browser.endpoints and not await browser.registered(alice)

    await eventually(is_gone, SECONDS)
