"""The browser page (`examples/web`), used as people use it, in Chromium."""

import asyncio
import itertools
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import blurhash
import pytest
from PIL import ImageStat
from playwright.async_api import Browser, FilePayload, Locator, Page, Route, WebSocketRoute, expect

from tests.e2e.conftest import Pair
from tests.support.chromium import running_chromium
from tests.support.people import text_message
from tests.support.platform import Platform
from tests.support.stack import Stack
from tests.support.uploads import opened, picture, sound

# Longer than any single step takes, for machines that do other things too.
expect.set_options(timeout=30_000)

# What Chromium does to everything under way when an interface of the machine comes or goes.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"

MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>bold</b>"


@dataclass
class Tab:
    """One person's page. `errors` are what the browser complained about."""

    page: Page
    username: str
    errors: list[str] = field(default_factory=list)

    def find(self, selector: str, **options: Any) -> Locator:
        """The elements that match."""
        return self.page.locator(selector, **options)

    async def visit(self, address: str) -> None:
        """Open the page, and wait until it is connected."""
        for last in (False, False, True):
            self.errors.clear()
            await self.page.goto(address)
            try:
                await expect(self.find("#me-avatar")).to_have_attribute("data-status", "online")
            except AssertionError:
                if last or not any(NETWORK_CHANGED in error for error in self.errors):
                    raise
            else:
                return

    async def say(self, text: str) -> None:
        """Write and send a message in the open conversation."""
        await self.find("#composer-text").fill(text)
        await self.page.keyboard.press("Enter")

    async def open_chat(self) -> None:
        """Open the first chat of the list."""
        await self.find(".chat").first.click()

    def message(self, text: str) -> Locator:
        """The messages on screen with this text."""
        return self.find(".message", has=self.page.get_by_text(text, exact=True))


@dataclass
class Line:
    """The network between one page and the gateways."""

    is_cut: bool = False
    routes: list[WebSocketRoute] = field(default_factory=list)

    async def on_socket(self, route: WebSocketRoute) -> None:
        """The page opens a socket."""
        if self.is_cut:
            await route.close(code=1011)
        else:
            route.connect_to_server()
            self.routes.append(route)

    async def cut(self) -> None:
        """Close what is open, and all that comes."""
        self.is_cut = True
        for route in self.routes:
            await route.close(code=1011)


class Tabs:
    """Opens pages of one browser, each a person with storage of its own."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self.url = url

    async def open(self, username: str, **query: str) -> Tab:
        """The page as `username`, connected."""
        tab = await self.blank()
        await tab.visit(self.address(user=username, **query))
        tab.username = username
        return tab

    async def blank(self, path: str = "") -> Tab:
        """A page of nobody yet; `path` is opened if given."""
        context = await self._browser.new_context(viewport={"width": 1000, "height": 700})
        tab = Tab(await context.new_page(), "")
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("console", lambda line: tab.errors.append(line.text) if line.type == "error" else None)
        if path:
            await tab.page.goto(self.url + path)
        return tab

    def address(self, **query: str) -> str:
        """Of the page."""
        return f"{self.url}/?{urlencode(query)}"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
async def whole_browser() -> AsyncIterator[Browser]:
    """Chromium that shows notifications."""
    async with running_chromium(whole=True) as browser:
        yield browser


@pytest.fixture
async def tabs(browser: Browser, stack: Stack) -> AsyncIterator[Tabs]:
    """Opens pages, which are closed when the test ends."""
    yield Tabs(browser, stack.url)
    await close_all(browser)


@pytest.fixture
async def notified_tabs(whole_browser: Browser, stack: Stack) -> AsyncIterator[Tabs]:
    """Those of a browser that shows notifications."""
    yield Tabs(whole_browser, stack.url)
    await close_all(whole_browser)


async def close_all(browser: Browser) -> None:
    for context in browser.contexts:
        await context.close()


def names() -> tuple[str, str]:
    """Two usernames that no other test has."""
    mark = uuid.uuid4().hex[:6]
    return f"alice-{mark}", f"bob-{mark}"


async def meet(tabs: Tabs) -> tuple[Tab, Tab]:
    """Two people with an open conversation."""
    one, other = names()
    alice = await tabs.open(one)
    bob = await tabs.open(other, **{"with": one})
    await bob.say("Hello!")
    await alice.open_chat()
    await expect(alice.message("Hello!")).to_have_count(1)
    return alice, bob


async def test_a_newcomer_chats_within_a_minute(tabs: Tabs) -> None:
    one, other = names()
    alice = await tabs.blank("/")
    await alice.page.keyboard.type(one)
    await alice.page.keyboard.press("Enter")
    await expect(alice.find("#welcome-name")).to_have_text(one)
    bob = await tabs.open(other)
    await bob.find("#find-name").fill(one)
    await bob.page.keyboard.press("Enter")
    await expect(bob.find("#composer-text")).to_be_focused()
    await bob.say("สวัสดีครับ 👋🏽")
    await expect(bob.message("สวัสดีครับ 👋🏽").get_by_role("img", name="Delivered")).to_be_visible()

    await expect(alice.find(".badge")).to_have_text("1")
    await expect(alice.page).to_have_title(re.compile(r"^\(1\)"))
    await alice.open_chat()
    await expect(bob.message("สวัสดีครับ 👋🏽").get_by_role("img", name="Read")).to_be_visible()
    await expect(alice.find(".badge")).to_have_text("")

    await alice.find("#composer-text").press_sequentially("Hi")
    await expect(bob.find("#typing")).to_be_visible()
    await alice.page.keyboard.press("Enter")
    await expect(bob.message("Hi")).to_be_visible()
    await expect(bob.find("#typing")).to_be_hidden()
    # Bob followed by starting the chat, Alice by answering: now they are friends.
    for tab in (alice, bob):
        await expect(tab.find(".friend .avatar")).to_have_attribute("data-status", "online")
    assert [error for error in (*alice.errors, *bob.errors) if NETWORK_CHANGED not in error] == []


async def test_friends_see_status_and_leaving(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    await alice.say("Hi")
    dot = bob.find(".friend .avatar")
    await expect(dot).to_have_attribute("data-status", "online")
    for status in ("busy", "away", "online"):
        await alice.find("#me-status").select_option(status)
        await expect(dot).to_have_attribute("data-status", status)
    await alice.page.close()
    await expect(dot).to_have_attribute("data-status", "offline")
    await expect(bob.find("#peer-state")).to_have_text(re.compile("Last seen just now"))


async def test_text_of_others_is_never_markup(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    await bob.say(MARKUP)
    await expect(alice.message(MARKUP)).to_be_visible()
    await expect(alice.find(".messages img, .messages b, .chats img, .chats b")).to_have_count(0)
    await expect(alice.page).not_to_have_title("owned")


async def test_blocked_messages_fail_and_go_when_the_block_is_lifted(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    await bob.find("#peer-block").click()
    await expect(bob.find("#composer-text")).to_be_disabled()
    await alice.say("Are you there?")
    failed = alice.message("Are you there?")
    await expect(failed).to_contain_text("You cannot send messages to this user")
    await bob.find("#peer-block").click()
    await expect(bob.find("#composer-text")).to_be_enabled()
    await failed.get_by_role("button", name="Try again").click()
    await expect(bob.message("Are you there?")).to_have_count(1)
    await expect(alice.find(".failed")).to_have_count(0)


async def test_what_was_written_without_a_connection_survives_a_reload(tabs: Tabs) -> None:
    one, other = names()
    alice = await tabs.open(one)
    bob = await tabs.blank()
    line = Line()
    await bob.page.route_web_socket(re.compile("/chat/ws"), line.on_socket)
    await bob.visit(tabs.address(user=other, **{"with": one}))
    await bob.say("first")
    await expect(alice.find(".last")).to_have_text("first")

    await line.cut()
    await bob.say("written in the tunnel")
    await expect(bob.message("written in the tunnel").get_by_role("img", name="Sending")).to_be_visible()
    await expect(bob.find("#banner")).to_contain_text("Trying again")
    await bob.page.reload()
    await expect(bob.find("#banner")).to_contain_text("Trying again")
    line.is_cut = False
    await expect(alice.find(".last")).to_have_text("written in the tunnel")
    await expect(bob.find("#banner")).to_be_hidden()
    await expect(bob.message("written in the tunnel").get_by_role("img", name="Delivered")).to_have_count(1)
    await expect(bob.find(".message")).to_have_count(2)


async def test_a_killed_gateway_costs_nothing(tabs: Tabs, stack: Stack) -> None:
    alice, bob = await meet(tabs)
    try:
        await stack.kill("gateway-1")
        await alice.say("from Alice")
        await bob.say("from Bob")
        for tab in (alice, bob):
            for text in ("from Alice", "from Bob"):
                await expect(tab.message(text)).to_have_count(1)
            await expect(tab.find("#banner")).to_be_hidden()
            await expect(tab.find(".message.pending, .message.failed")).to_have_count(0)
            await expect(tab.find(".message")).to_have_count(3)
    finally:
        await stack.revive()


SCROLL_UP = "scroller => scroller.querySelectorAll('.message').length === 40 && scroller.scrollTo(0, 0)"
"""To the first message, unless older ones are there by now."""


async def test_scrolling_up_loads_older_messages(tabs: Tabs, pair: Pair) -> None:
    sockets = [await pair.alice.connect(), await pair.bob.connect()]
    for number in range(56):
        socket = sockets[number % 2]
        await socket.send("message.send", **text_message(pair.conversation, f"line {number}", f"temp-{number}"))
        await socket.expect("message.sent", tempId=f"temp-{number}")
    alice = await tabs.open(pair.alice.username)
    await alice.open_chat()
    await expect(alice.message("line 55")).to_be_in_viewport()
    await expect(alice.find(".message")).to_have_count(40)
    # The page may still be moving to its end: then a scroll is undone, and a person scrolls again.
    async with asyncio.timeout(60):
        while await alice.find(".message").count() < 56:
            await alice.find("#scroller").evaluate(SCROLL_UP)
            await asyncio.sleep(0.1)
    # What was being read is still on screen.
    await expect(alice.message("line 16")).to_be_in_viewport()
    texts = await alice.find(".message .text").all_inner_texts()
    assert texts == [f"line {number}" for number in range(56)]


async def write_lines(platform: Platform, pair: Pair, first: int, last: int) -> None:
    """Messages of Bob, more than he may send himself in a minute."""
    path = f"/conversations/{pair.conversation}/messages"
    for number in range(first, last + 1):
        line = {"senderId": pair.bob.id, "type": "text", "content": f"line {number}", "tempId": f"temp-{number}"}
        await platform.expect(201, "POST", path, json=line)


async def test_the_first_unread_message_is_reached_from_far_away(tabs: Tabs, pair: Pair, platform: Platform) -> None:
    await write_lines(platform, pair, 1, 130)
    alice = await pair.alice.connect()
    await alice.send("message.read", conversationId=pair.conversation, seq=5)
    await alice.expect("message.read_ack", conversationId=pair.conversation)
    tab = await tabs.open(pair.alice.username)
    await tab.open_chat()
    await expect(tab.message("line 130")).to_be_in_viewport()
    await expect(tab.find(".message")).to_have_count(40)
    await tab.page.get_by_role("button", name="First unread message").click()
    await expect(tab.message("line 6")).to_be_in_viewport()
    await expect(tab.message("line 6").locator(".unread-line")).to_be_visible()
    await expect(tab.find("#jump-unread")).to_be_hidden()
    # What lies between is loaded as it comes into sight; what comes meanwhile leaves no hole.
    await write_lines(platform, pair, 131, 131)
    await expect(tab.message("line 131")).to_have_count(0)
    async with asyncio.timeout(30):
        while not await tab.message("line 131").count():
            await tab.find("#scroller").evaluate("scroller => scroller.scrollTo(0, scroller.scrollHeight)")
            await asyncio.sleep(0.05)
    texts = await tab.find(".message .text").all_inner_texts()
    assert texts == [f"line {number}" for number in range(1, 132)]


async def test_from_a_part_in_the_middle_the_newest_are_one_step_away(
    tabs: Tabs, pair: Pair, platform: Platform
) -> None:
    await write_lines(platform, pair, 1, 90)
    tab = await tabs.open(pair.alice.username)
    await tab.open_chat()
    await tab.page.get_by_role("button", name="First unread message").click()
    await expect(tab.message("line 1")).to_be_in_viewport()
    await expect(tab.message("line 90")).to_have_count(0)
    await tab.find("#jump").click()
    await expect(tab.message("line 90")).to_be_in_viewport()
    # What is written in the middle is shown at the end.
    await tab.find("#scroller").evaluate("scroller => scroller.scrollTo(0, 0)")
    await tab.say("my own")
    await expect(tab.message("my own")).to_be_in_viewport()
    await expect(tab.message("line 90")).to_have_count(1)


async def test_where_uploads_are_not_offered_nothing_can_be_attached(tabs: Tabs) -> None:
    one, other = names()
    await tabs.open(other)
    alice = await tabs.blank()

    def without_uploads(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda text: route.send(str(text).replace('"upload"', '"other"')))

    await alice.page.route_web_socket(re.compile("/chat/ws"), without_uploads)
    await alice.visit(tabs.address(user=one, **{"with": other}))
    await alice.say("no file")
    await expect(alice.message("no file").get_by_role("img", name="Delivered")).to_be_visible()
    await expect(alice.find("#attach")).to_be_hidden()


FAKE_PUSH = """
  // A push service can't be reached from here: this browser's subscription lives in localStorage instead.
  const encode = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const build = (stored) => stored && {
    endpoint: stored.endpoint,
    options: { applicationServerKey: decode(stored.key).buffer },
    toJSON: () => ({ endpoint: stored.endpoint, expirationTime: null, keys: stored.keys }),
    unsubscribe: async () => { localStorage.removeItem("fake.push"); return true; },
  };
  PushManager.prototype.getSubscription = async () => build(JSON.parse(localStorage.getItem("fake.push")));
  PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
    const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
    const p256dh = encode(new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
    const auth = encode(crypto.getRandomValues(new Uint8Array(16)));
    const endpoint = `https://fcm.googleapis.com/fcm/send/${crypto.randomUUID()}`;
    const stored = { endpoint, key: applicationServerKey, keys: { p256dh, auth } };
    localStorage.setItem("fake.push", JSON.stringify(stored));
    return build(stored);
  };
  Notification.requestPermission = async () => "granted";
"""


COUNT_SHOWN = """() => {
  const { showNotification } = ServiceWorkerRegistration.prototype;
  self.shown = 0;
  ServiceWorkerRegistration.prototype.showNotification = async function (...call) {
    await showNotification.apply(this, call);
    self.shown++;
  };
}"""
UNTIL_SHOWN = """async (count) => {
  while (self.shown < count) await new Promise((resolve) => setTimeout(resolve, 20));
}"""


async def deliverer(tab: Tab, origin: str) -> Callable[[dict[str, Any]], Awaitable[None]]:
    """Hands pushes to the page's service worker, as the browser does, each when the one before is shown.

    Chromium deletes a notification when it is asked for all of them while that one is about to be shown.
    """
    await tab.page.context.grant_permissions(["notifications"])
    protocol = await tab.page.context.new_cdp_session(tab.page)
    registrations: list[dict[str, Any]] = []
    registered = asyncio.Event()

    def on_registrations(event: dict[str, Any]) -> None:
        registrations.extend(event["registrations"])
        if registrations:
            registered.set()

    protocol.on("ServiceWorker.workerRegistrationUpdated", on_registrations)
    await protocol.send("ServiceWorker.enable")
    await tab.page.evaluate("() => navigator.serviceWorker.ready.then(() => null)")
    await asyncio.wait_for(registered.wait(), 30)
    (worker,) = tab.page.context.service_workers
    await worker.evaluate(COUNT_SHOWN)
    delivered = itertools.count(1)

    async def deliver(notification: dict[str, Any]) -> None:
        registration = registrations[0]["registrationId"]
        body = {"origin": origin, "registrationId": registration, "data": json.dumps(notification)}
        await protocol.send("ServiceWorker.deliverPushMessage", body)
        await asyncio.wait_for(worker.evaluate(UNTIL_SHOWN, next(delivered)), 30)

    return deliver


async def shown(tab: Tab, count: int) -> list[dict[str, Any]]:
    """The notifications on screen, once there are so many; by their titles."""
    found: list[dict[str, Any]] = await tab.page.evaluate(
        """async (count) => {
          const worker = await navigator.serviceWorker.ready;
          for (let tries = 0; tries < 400; tries++) {
            const all = await worker.getNotifications();
            const told = all.map(({ title, body, tag, data, renotify }) => ({ title, body, tag, data, renotify }));
            if (told.length === count) return told.sort((a, b) => a.title.localeCompare(b.title));
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          throw new Error(`not ${count} notifications`);
        }""",
        count,
    )
    return found


def notification_of(name: str, conversation: str, body: str, total: int = 1) -> dict[str, Any]:
    unread = {"conversation": 1, "total": total}
    ids = {"conversationId": conversation, "messageId": "m", "senderId": "s", "senderName": name}
    return {
        "title": f"New message from {name}",
        "body": body,
        "icon": "/icon-192x192.png",
        "tag": "chat-message",
        "data": {"type": "chat.message", **ids, "unread": unread},
    }


async def test_a_push_shows_one_notification_for_each_conversation(notified_tabs: Tabs) -> None:
    one, _ = names()
    alice = await notified_tabs.open(one)
    deliver = await deliverer(alice, notified_tabs.url)
    await deliver(notification_of("ann", "c1", "Hello"))
    await shown(alice, 1)
    await deliver(notification_of("bob", "c2", "Hi"))
    await shown(alice, 2)
    await deliver(notification_of("cem", "c1", "Hello again", total=3))
    first = notification_of("bob", "c2", "Hi")
    async with asyncio.timeout(20):
        while (told := await shown(alice, 2))[1]["title"] != "New message from cem":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert told[0] == {
        **{name: first[name] for name in ("title", "body", "data")},
        "tag": "conversation-c2",
        "renotify": True,
    }
    assert (told[1]["body"], told[1]["tag"]) == ("Hello again", "conversation-c1")


async def test_reading_on_another_device_closes_the_notification(notified_tabs: Tabs) -> None:
    alice, bob = await meet(notified_tabs)
    phone = await notified_tabs.open(bob.username)
    conversations = await listed(phone, notified_tabs.url)
    deliver = await deliverer(phone, notified_tabs.url)
    await deliver(notification_of(alice.username, conversations[0], "Hello"))
    await deliver(notification_of("somebody", "another", "Hi"))
    await shown(phone, 2)
    await alice.say("Read this")
    await expect(bob.message("Read this")).to_be_visible()
    assert [one["title"] for one in await shown(phone, 1)] == ["New message from somebody"]


async def listed(tab: Tab, url: str) -> list[str]:
    """The ids of the user's conversations."""
    login = await tab.page.request.post(f"{url}/dev/login", data={"username": tab.username})
    token = (await login.json())["token"]
    answer = await tab.page.request.get(f"{url}/chat/conversations", headers={"Authorization": f"Bearer {token}"})
    return [str(one["id"]) for one in (await answer.json())["items"]]


async def endpoint_of(tab: Tab) -> str | None:
    stored = await tab.page.evaluate("() => JSON.parse(localStorage.getItem('fake.push'))?.endpoint ?? null")
    return None if stored is None else str(stored)


async def with_push(tabs: Tabs) -> Tab:
    """A page whose user has switched notifications on."""
    one, _ = names()
    alice = await tabs.blank()
    await alice.page.context.grant_permissions(["notifications"])
    await alice.page.add_init_script(FAKE_PUSH)
    await alice.visit(tabs.address(user=one))
    alice.username = one
    bell = alice.find("#notifications")
    await expect(bell).to_have_attribute("aria-pressed", "false")
    await bell.click()
    await expect(bell).to_have_attribute("aria-pressed", "true")
    return alice


async def test_leaving_ends_the_subscription_of_this_browser(tabs: Tabs) -> None:
    alice = await with_push(tabs)
    endpoint = await endpoint_of(alice)
    forgotten: list[str | None] = []
    alice.page.on(
        "request", lambda request: forgotten.append(request.post_data) if request.method == "DELETE" else None
    )
    await alice.find("#leave").click()
    await expect(alice.find("#login")).to_be_visible()
    assert await endpoint_of(alice) is None
    assert [json.loads(body or "{}") for body in forgotten] == [{"endpoint": endpoint}]


async def test_a_page_renews_a_subscription_with_an_old_key(notified_tabs: Tabs) -> None:
    alice = await with_push(notified_tabs)
    endpoint = await endpoint_of(alice)
    put: list[str | None] = []
    alice.page.on("request", lambda request: put.append(request.post_data) if request.method == "PUT" else None)
    await alice.visit(notified_tabs.address(user=alice.username))
    async with asyncio.timeout(20):
        while not put:  # noqa: ASYNC110 - the page's requests tell nobody when they come
            await asyncio.sleep(0.05)
    assert json.loads(put[0] or "{}")["endpoint"] == endpoint

    await alice.page.evaluate(
        """() => {
          const stored = JSON.parse(localStorage.getItem("fake.push"));
          localStorage.setItem("fake.push", JSON.stringify({ ...stored, key: stored.keys.p256dh }));
        }"""
    )
    await alice.visit(notified_tabs.address(user=alice.username))
    async with asyncio.timeout(20):
        while await endpoint_of(alice) in (endpoint, None):  # noqa: ASYNC110 - storage can only be asked
            await asyncio.sleep(0.05)
    await expect(alice.find("#notifications")).to_have_attribute("aria-pressed", "true")


async def test_a_screen_reader_hears_who_said_what_and_what_is_unread(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    await alice.say("Hi")
    lines = bob.page.get_by_role("log", name="Messages").get_by_role("list").get_by_role("listitem")
    await expect(lines).to_have_text([re.compile("You: Hello!"), re.compile(f"{alice.username}: Hi", re.IGNORECASE)])
    await bob.page.close()
    carol = await tabs.open(f"carol-{uuid.uuid4().hex[:6]}", **{"with": alice.username})
    await carol.say("Me too")
    unread = alice.find("#chats").get_by_role("button").first.get_by_role("img", name="1 unread")
    await expect(unread).to_be_visible()


async def test_the_keyboard_alone_reads_older_messages(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    for number in range(12):
        await bob.say(f"line {number}\nof two")
    await expect(alice.find(".message")).to_have_count(13)
    await expect(alice.message("Hello!")).not_to_be_in_viewport()
    await alice.find("#peer-menu").focus()
    await alice.page.keyboard.press("Tab")
    await alice.page.keyboard.press("Home")
    await expect(alice.message("Hello!")).to_be_in_viewport()


async def test_every_control_has_a_name(tabs: Tabs) -> None:
    alice, _ = await meet(tabs)
    nameless = await alice.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea")]
          .filter((control) => control.checkVisibility())
          .filter((control) => !control.textContent.trim() && !control.labels?.length && !control.ariaLabel)
          .map((control) => control.outerHTML)"""
    )
    assert nameless == []


DROP = """([name, bytes, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const target = kind === "paste" ? document.querySelector("#composer-text") : document.querySelector("#conversation");
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
}"""


async def test_files_are_chosen_pasted_and_dropped_and_shown(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    image = picture(64, 48, "PNG")
    files: list[FilePayload] = [
        {"name": "beach.jpg", "mimeType": "image/jpeg", "buffer": picture(1280, 640)},
        {"name": "voice.wav", "mimeType": "audio/wav", "buffer": sound()},
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"only text"},
    ]
    await alice.find("#attach-files").set_input_files(files)
    for kind in ("paste", "drop"):
        await alice.page.evaluate(DROP, [f"{kind}.png", list(image), kind])
    await expect(alice.find(".attachment.ready")).to_have_count(5)
    await alice.say("Look")
    await expect(alice.find(".attachment")).to_have_count(0)
    for tab in (alice, bob):
        message = tab.message("Look")
        await expect(message.locator(".picture img")).to_have_count(3)
        beach = message.locator(".picture img[alt='beach.jpg']")
        await expect(beach).to_have_attribute("width", "320")
        await expect(beach).to_have_attribute("height", "160")
        await expect(message.locator("audio")).to_have_count(1)
        await expect(message.locator(".sound .file-name")).to_contain_text("voice.wav, 0:02")
        await expect(message.locator(".file-card")).to_contain_text("notes.txt 9 B")
    await bob.find(".picture[title='beach.jpg']").click()
    await expect(bob.find("#viewer img")).to_be_visible()
    loaded = "image => image.decode().then(() => image.naturalWidth)"
    assert await bob.find("#viewer img").evaluate(loaded) == 1280
    await bob.page.keyboard.press("Escape")
    await expect(bob.find("#viewer")).to_be_hidden()
    assert alice.errors == bob.errors == []


def redness(screenshot: bytes, side: str) -> float:
    """How much redder than green the left or right third of a screenshot is, without its lower half: -255 to 255."""
    image = opened(screenshot).convert("RGB")
    left = 0 if side == "left" else image.width * 2 // 3
    red, green, _ = ImageStat.Stat(image.crop((left, 0, left + image.width // 3, image.height // 2))).mean
    return float(red - green)


async def size_of(shown: Locator) -> tuple[float, float]:
    """Width and height on screen, in CSS pixels."""
    box = await shown.bounding_box()
    assert box is not None
    return box["width"], box["height"]


async def test_a_picture_that_loads_is_seen_blurred_in_its_place(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await bob.page.route(re.compile("/chat/media/.*/thumbnail"), hold)
    beach: FilePayload = {"name": "beach.jpg", "mimeType": "image/jpeg", "buffer": picture(1280, 640)}
    await alice.find("#attach-files").set_input_files([beach])
    await expect(alice.find(".attachment.ready")).to_have_count(1)
    await alice.say("Look")
    image = bob.message("Look").locator(".picture img")
    await expect(image).to_be_visible()
    blurred = await image.screenshot()
    assert await size_of(image) == (320, 160)
    assert await image.evaluate("image => image.naturalWidth") == 0, "it has been loaded: this shows nothing"
    # The left half of the picture is red, the right one grey.
    assert redness(blurred, "left") > 80
    assert abs(redness(blurred, "right")) < 50
    released.set()
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    await expect(image).to_have_css("background-image", "none")
    assert alice.errors == bob.errors == []


DRAW_VIDEO = """async (blurhash) => {
  const { drawMedia } = await import("/app/views/media.js");
  const node = Object.assign(document.createElement("div"), { className: "media" });
  document.body.replaceChildren(node);
  const video = { uploadId: "v", type: "video", name: "v.mp4", url: "/held/file", thumbnail: "/held/thumbnail" };
  drawMedia(node, [{ ...video, width: 640, height: 320, blurhash }, { ...video, blurhash: "no blurhash" }]);
}"""


async def test_a_video_is_seen_blurred_until_its_poster_is_there(tabs: Tabs) -> None:
    alice = await tabs.open(names()[0])
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.abort()

    await alice.page.route(re.compile("/held/"), hold)
    halves = [[[220, 20, 20]] * 16 + [[128, 128, 128]] * 16] * 32
    await alice.page.evaluate(DRAW_VIDEO, blurhash.encode(halves, 4, 3))
    first = alice.find("video").first
    await expect(first).to_have_attribute("poster", "/held/thumbnail")
    blurred = await first.screenshot()
    assert await size_of(first) == (320, 160)
    assert redness(blurred, "left") > 80
    assert abs(redness(blurred, "right")) < 50
    # What is no blurhash is no placeholder, and no error.
    await expect(alice.find("video").last).to_have_css("background-image", "none")
    released.set()


async def test_a_file_that_is_refused_or_given_up_is_not_sent(tabs: Tabs) -> None:
    alice, _ = await meet(tabs)
    liar: FilePayload = {"name": "page.png", "mimeType": "image/png", "buffer": b"<html><script>alert(1)</script>"}
    await alice.find("#attach-files").set_input_files([liar])
    await expect(alice.find(".toasts")).to_contain_text("page.png: The file says that it is image/png")
    await expect(alice.find(".attachment")).to_have_count(0)
    note: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"only text"}
    await alice.find("#attach-files").set_input_files([note])
    await alice.page.get_by_role("button", name="Remove").click()
    await expect(alice.find(".attachment")).to_have_count(0)
    await alice.say("Without a file")
    await expect(alice.message("Without a file").locator(".media")).to_be_empty()


async def choose(tab: Tab, text: str, entry: str) -> None:
    """Open a message's menu, and choose an entry of it."""
    message = tab.message(text)
    await message.hover()
    await message.get_by_role("button", name="More").click()
    await tab.find("#menu").get_by_role("button", name=entry, exact=True).click()


async def test_messages_are_answered_reacted_to_edited_and_deleted(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    await choose(alice, "Hello!", "Reply")
    await alice.say("Hello to you")
    await expect(bob.message("Hello to you").locator(".quote")).to_contain_text("Hello!")
    await choose(bob, "Hello to you", "React with 👍")
    await expect(alice.message("Hello to you").get_by_role("button", name="👍, 1")).to_be_visible()
    await choose(alice, "Hello to you", "Edit")
    await alice.say("Hello to both of you")
    await expect(bob.message("Hello to both of you").locator("time")).to_contain_text("edited")
    await choose(alice, "Hello to both of you", "Delete for everybody")
    await expect(bob.find(".message.deleted")).to_have_count(1)
    await expect(bob.message("Hello to both of you")).to_have_count(0)


async def test_a_chat_is_pinned_archived_and_deleted_for_oneself(tabs: Tabs) -> None:
    alice, bob = await meet(tabs)
    menu = alice.find("#menu")

    async def choose_of_chat(entry: str) -> None:
        await alice.find("#peer-menu").click()
        await menu.get_by_role("button", name=entry).click()

    await choose_of_chat("Pin")
    await expect(alice.find("#chats .chat.pinned")).to_have_count(1)
    await choose_of_chat("Mute for")
    await expect(alice.find("#chats .chat.muted")).to_have_count(1)
    await choose_of_chat("Unmute")
    await expect(alice.find("#chats .chat.muted")).to_have_count(0)
    await choose_of_chat("Archive")
    await expect(alice.find("#chats .chat")).to_have_count(0)
    await bob.say("Are you there?")
    await expect(alice.find("#chats .chat")).to_have_count(1)
    await choose_of_chat("Delete chat for me")
    await expect(alice.find("#chats .chat")).to_have_count(0)
    await bob.say("Hello?")
    await alice.open_chat()
    await expect(alice.find(".message")).to_have_count(1)
