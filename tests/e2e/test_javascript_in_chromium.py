"""The JavaScript client in Chromium: foreign origins, several tabs, a tab that is killed, a page that is loaded again."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, WebSocket, WebSocketRoute

from tests.e2e.conftest import Pair
from tests.support.chromium import running_chromium
from tests.support.people import Person, text_message
from tests.support.sockets import RawSocket
from tests.support.stack import Stack
from tests.support.waiting import eventually

PATIENCE_MS = 30_000
MOST_CONNECTIONS = 10
"""Of a user: an eleventh closes the first."""

START = """async ({ url, token, name, isShared, isKept }) => {
  const { ChatClient, indexedDbStorage } = await import("/client/src/index.js");
  const { sharedClient } = await import("/client/src/tabs.js");
  const options = { url, getToken: () => token, ...(isKept && { storage: indexedDbStorage(name) }) };
  const client = isShared ? sharedClient({ ...options, name }) : new ChatClient(options);
  Object.assign(globalThis, { client, heard: [], connection: {} });
  for (const type of ["message.new", "message.sent"]) client.on(type, ({ message }) => heard.push(`${type} ${message.content}`));
  client.on("state", (change) => (connection = change));
  client.connect();
}"""
SEND = "([conversationId, content]) => void client.send({ conversationId, content }).sent.catch(() => {})"
START_STORE = """async ({ url, token, name, conversationId, isShared }) => {
  const { ChatClient, indexedDbStorage } = await import("/client/src/index.js");
  const { ChatStore } = await import("/client/src/store/index.js");
  const { sharedClient } = await import("/client/src/tabs.js");
  const options = { url, getToken: () => token };
  const client = isShared ? sharedClient({ ...options, name }) : new ChatClient(options);
  const store = new ChatStore(client, { storage: indexedDbStorage(name) });
  const wasKept = await store.load();
  const texts = () => store.messages(conversationId).items.map(({ content }) => content);
  Object.assign(globalThis, { client, store, texts, recovered: undefined });
  const first = texts();
  client.on("connection.success", (welcome) => (recovered = welcome.recovered));
  client.connect();
  return [wasKept, first];
}"""


@dataclass
class Tabs:
    """Pages of one browser, all of one person unless said otherwise."""

    context: BrowserContext
    url: str
    person: Person
    sockets: list[tuple[Page, WebSocket]] = field(default_factory=list)

    async def blank(self, origin: str | None = None) -> Page:
        """A page of an origin, the system's own by default, that has not started its client."""
        page = await self.context.new_page()
        page.on("websocket", lambda socket: self.sockets.append((page, socket)))
        await page.goto(f"{origin or self.url}/docs/")
        return page

    async def start(self, page: Page, *, is_shared: bool = False, is_kept: bool = False, wait: bool = True) -> Page:
        """Start the page's client; by default until it is connected."""
        options = {"url": self.url, "token": self.person.token, "name": self.person.username}
        await page.evaluate(START, {**options, "isShared": is_shared, "isKept": is_kept})
        if wait:
            await becomes(page, "client.state === 'open'")
        return page

    async def share_one_connection(self) -> bool:
        """Whether all pages together have one."""
        return sum(not page.is_closed() and not socket.is_closed() for page, socket in self.sockets) == 1


async def becomes(page: Page, condition: str, argument: Any = None) -> None:
    """Wait until a JavaScript expression holds."""
    await page.wait_for_function(condition, arg=argument, polling=50, timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    async with running_chromium() as browser:
        yield browser


@pytest.fixture
async def tabs(browser: Browser, pair: Pair, stack: Stack) -> AsyncIterator[Tabs]:
    """Alice's pages, with storage that no other test has."""
    context = await browser.new_context()
    yield Tabs(context, stack.url, pair.alice)
    await context.close()


async def said(socket: RawSocket, content: str) -> None:
    """Wait for a message."""
    await socket.expect("message.new", timeout=PATIENCE_MS / 1000, message={"content": content})


async def stored(person: Person, conversation: str) -> list[str]:
    """Every message of a conversation."""
    page = await person.get(f"/chat/conversations/{conversation}/messages")
    return [message["content"] for message in page["items"]]


async def test_a_forbidden_origin_is_recognised_and_ends_it(tabs: Tabs) -> None:
    page = await tabs.blank(f"http://elsewhere.localhost:{urlsplit(tabs.url).port}")
    await tabs.start(page, wait=False)
    await becomes(page, "connection.state === 'stopped'")
    assert await page.evaluate("connection.reason") == "forbidden"


async def test_an_application_on_another_port_of_this_machine_connects_and_calls(tabs: Tabs) -> None:
    page = await tabs.start(await tabs.blank(f"http://localhost:{urlsplit(tabs.url).port}"))
    assert (await page.evaluate("client.rest.me()"))["username"] == tabs.person.username


async def test_eleven_tabs_share_one_connection_and_the_next_takes_over(tabs: Tabs, pair: Pair) -> None:
    pages = [await tabs.start(await tabs.blank(), is_shared=True) for _ in range(MOST_CONNECTIONS + 1)]
    assert await tabs.share_one_connection()
    bob = await pair.bob.connect()
    await pages[-1].evaluate(SEND, [pair.conversation, "from the eleventh"])
    await said(bob, "from the eleventh")
    await bob.send("message.send", **text_message(pair.conversation, "to all of them", "t1"))
    for page in pages:
        await becomes(page, "heard.length === 2")

    leaders = [page for page in pages if await page.evaluate("client.isLeader")]
    assert len(leaders) == 1
    await leaders[0].close()
    await bob.send("message.send", **text_message(pair.conversation, "while nobody leads", "t2"))
    left = [page for page in pages if page not in leaders]
    for page in left:
        await becomes(page, "heard.includes('message.new while nobody leads')")
        heard = ["message.sent from the eleventh", "message.new to all of them", "message.new while nobody leads"]
        assert await page.evaluate("heard") == heard
    await eventually(tabs.share_one_connection, PATIENCE_MS / 1000)


@dataclass
class Loss:
    """A network between a page and the gateways that loses the frames of one type. `lost` is set when it has lost one."""

    event_type: str
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def on_socket(self, route: WebSocketRoute) -> None:
        """The page opens a socket."""
        server = route.connect_to_server()
        route.on_message(lambda frame: self._pass(frame, server))
        server.on_message(lambda frame: self._pass(frame, route))

    def _pass(self, frame: str | bytes, to: WebSocketRoute) -> None:
        if json.loads(frame)["type"] == self.event_type:
            self.lost.set()
        else:
            to.send(frame)


async def kill(page: Page) -> None:
    """End a page as a crash does: nothing of it runs any more."""
    crashed = asyncio.Event()
    page.on("crash", lambda _: crashed.set())
    session = await page.context.new_cdp_session(page)
    dying = asyncio.create_task(session.send("Page.crash"))
    async with asyncio.timeout(PATIENCE_MS / 1000):
        await crashed.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await page.close()


@pytest.mark.parametrize("lost", ["message.send", "message.sent"])
async def test_a_tab_that_was_killed_while_sending_sends_once_when_reopened(tabs: Tabs, pair: Pair, lost: str) -> None:
    bob = await pair.bob.connect()
    loss = Loss(lost)
    page = await tabs.blank()
    await page.route_web_socket("**/chat/ws*", loss.on_socket)
    await page.reload()
    await tabs.start(page, is_kept=True)
    await page.evaluate(SEND, [pair.conversation, "half way"])
    async with asyncio.timeout(PATIENCE_MS / 1000):
        await loss.lost.wait()
    await kill(page)
    assert await stored(pair.bob, pair.conversation) == ([] if lost == "message.send" else ["half way"])

    again = await tabs.start(await tabs.blank(), is_kept=True)
    await becomes(again, "heard.includes('message.sent half way') && client.pending === 0")
    await said(bob, "half way")
    await again.evaluate(SEND, [pair.conversation, "afterwards"])
    await said(bob, "afterwards")
    assert await stored(pair.bob, pair.conversation) == ["half way", "afterwards"]
    # A third page finds nothing left to send.
    await again.close()
    third = await tabs.start(await tabs.blank(), is_kept=True)
    await third.evaluate(SEND, [pair.conversation, "at last"])
    await said(bob, "at last")
    assert await stored(pair.bob, pair.conversation) == ["half way", "afterwards", "at last"]


async def test_what_a_closed_tab_had_not_sent_goes_from_the_next_one(tabs: Tabs, pair: Pair) -> None:
    bob = await pair.bob.connect()
    loss = Loss("message.send")
    first = await tabs.blank()
    await first.route_web_socket("**/chat/ws*", loss.on_socket)
    await first.reload()
    await tabs.start(first, is_shared=True, is_kept=True)
    await tabs.start(await tabs.blank(), is_shared=True, is_kept=True)
    assert await first.evaluate("client.isLeader")
    await first.evaluate(SEND, [pair.conversation, "handed over"])
    async with asyncio.timeout(PATIENCE_MS / 1000):
        await loss.lost.wait()
    await first.close()
    await said(bob, "handed over")
    assert await stored(pair.bob, pair.conversation) == ["handed over"]


async def test_a_reloaded_page_resumes_by_cursor_without_reading_again(tabs: Tabs, pair: Pair) -> None:
    bob = await pair.bob.connect()
    for number in range(3):
        await bob.send("message.send", **text_message(pair.conversation, f"number {number}", f"t{number}"))
        await bob.expect("message.sent", tempId=f"t{number}")
    page = await tabs.blank()
    asked = {"url": tabs.url, "token": tabs.person.token, "name": "kept", "conversationId": pair.conversation}
    assert await page.evaluate(START_STORE, asked) == [False, []]
    await becomes(page, "store.conversations.isLoaded")
    await page.evaluate("(id) => store.loadOlder(id)", pair.conversation)
    await page.evaluate("store.save()")

    calls: list[str] = []
    page.on("request", lambda request: calls.append(urlsplit(request.url).path))
    await page.reload()
    await bob.send("message.send", **text_message(pair.conversation, "meanwhile", "t9"))
    await bob.expect("message.sent", tempId="t9")
    assert await page.evaluate(START_STORE, asked) == [True, ["number 0", "number 1", "number 2"]]
    await becomes(page, "texts().includes('meanwhile')")
    assert await page.evaluate("[recovered, texts()]") == [True, ["number 0", "number 1", "number 2", "meanwhile"]]
    assert [path for path in calls if path.startswith("/chat/") and path != "/chat/ws"] == []


async def test_stores_of_several_tabs_show_the_same_over_one_connection(tabs: Tabs, pair: Pair) -> None:
    bob = await pair.bob.connect()
    await bob.send("message.send", **text_message(pair.conversation, "before", "t1"))
    await bob.expect("message.sent", tempId="t1")
    asked = {"url": tabs.url, "token": tabs.person.token, "name": "stores", "conversationId": pair.conversation}
    pages = []
    for _ in range(2):
        page = await tabs.blank()
        await page.evaluate(START_STORE, {**asked, "isShared": True})
        await becomes(page, "store.conversations.isLoaded && store.connection.state === 'open'")
        await page.evaluate("(id) => store.loadOlder(id)", pair.conversation)
        pages.append(page)
    assert await tabs.share_one_connection()
    await pages[1].evaluate("(id) => store.send({ conversationId: id, content: 'from the second' })", pair.conversation)
    await said(bob, "from the second")
    for page in pages:
        await becomes(
            page, "texts().length === 2 && store.messages(store.conversations.items[0].id).pending.length === 0"
        )
        assert await page.evaluate("texts()") == ["before", "from the second"]
        assert await page.evaluate("store.conversations.unread") == 1
