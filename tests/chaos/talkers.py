"""Two people who talk over a network, with each client: what each of them has seen in the end."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from chat_client import ChatClient

from tests.support.chromium import running_chromium
from tests.support.node import run_node

PATIENCE_SECONDS: Final = 120
SECONDS: Final = 1_800
WINDOW: Final = 50
"""So many messages of one person may wait for their acknowledgement, as in `talk.js`."""


@dataclass(frozen=True)
class Talk:
    """Who talks where. `tokens`: by username, of the two. `count`: messages of each. `page`: the system, for a browser."""

    url: str
    page: str
    tokens: Mapping[str, str]
    conversation_id: str
    count: int
    pace_seconds: float

    @property
    def options(self) -> dict[str, Any]:
        """What `talk.js` takes."""
        return {
            "url": self.url,
            "tokens": dict(self.tokens),
            "conversationId": self.conversation_id,
            "count": self.count,
            "paceMs": self.pace_seconds * 1000,
            "patienceMs": PATIENCE_SECONDS * 1000,
        }


@dataclass(frozen=True)
class Seen:
    """What one person has seen, in order: (seq, content); and how it came."""

    username: str
    shown: list[tuple[int, str]]
    connections: int
    resumed: int
    overRest: int  # noqa: N815 - as `talk.js` names it
    lost: int


_NODE: Final = """
import { ChatClient } from "./src/index.js";
import { talk } from "./testkit/talk.js";
import { NodeWebSocket } from "./testkit/websocket.js";
const options = JSON.parse(process.env.CHAT_TALK);
const seen = await talk({ ChatClient, WebSocket: globalThis.WebSocket ?? NodeWebSocket, ...options });
console.log("RESULT " + JSON.stringify(seen));
process.exit(0);
"""
_BROWSER: Final = """async (options) => {
  const [{ ChatClient }, { talk }] = await Promise.all([import("/client/src/index.js"), import("/client/testkit/talk.js")]);
  return talk({ ChatClient, ...options });
}"""


async def in_node(talk: Talk) -> list[Seen]:
    """With the JavaScript client, in Node."""
    environment = {**os.environ, "CHAT_TALK": json.dumps(talk.options)}
    output = await run_node("--input-type=module", "--eval", _NODE, environment=environment, seconds=SECONDS)
    return _seen(json.loads(output.rpartition("RESULT ")[2]))


async def in_chromium(talk: Talk) -> list[Seen]:
    """With the JavaScript client, in a page of Chromium."""
    async with running_chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{talk.page}/docs/")
        return _seen(await page.evaluate(_BROWSER, talk.options))


async def in_python(talk: Talk) -> list[Seen]:
    """With the Python client."""
    people = [_PythonPerson(talk, username, token) for username, token in talk.tokens.items()]
    return list(await asyncio.gather(*(person.talk() for person in people)))


class _PythonPerson:
    """One person with the Python client."""

    def __init__(self, talk: Talk, username: str, token: str) -> None:
        self._talk = talk
        self._username = username
        self._client = ChatClient(talk.url, lambda: token)
        self._shown: list[tuple[int, str]] = []
        self._counts = {"connections": 0, "resumed": 0, "overRest": 0, "lost": 0}

    async def talk(self) -> Seen:
        self._client.track(self._talk.conversation_id, 0)
        async with self._client:
            following = asyncio.create_task(self._follow())
            try:
                await self._say()
                await asyncio.wait_for(following, PATIENCE_SECONDS)
            except TimeoutError:
                pass  # What is missing is told by what was seen.
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        return Seen(self._username, self._shown, **self._counts)

    async def _say(self) -> None:
        """Send everything, without waiting for the acknowledgement of one message before the next is written."""
        async with asyncio.TaskGroup() as sending:
            window = asyncio.Semaphore(WINDOW)
            for number in range(1, self._talk.count + 1):
                await window.acquire()
                message = self._client.send(self._talk.conversation_id, "text", f"{self._username} {number}")
                sending.create_task(message).add_done_callback(lambda _: window.release())
                await asyncio.sleep(self._talk.pace_seconds)

    async def _follow(self) -> None:
        total = self._talk.count * len(self._talk.tokens)
        async for event in self._client.events():
            self._count(event)
            if event["type"] in {"message.new", "message.sent"}:
                message = event["payload"]["message"]
                self._shown.append((message["seq"], message["content"] or ""))
                if len(self._shown) == total:
                    return

    def _count(self, event: Any) -> None:
        if event["type"] == "connection.success":
            self._counts["connections"] += 1
            self._counts["resumed"] += event["payload"]["recovered"] is True
        elif event["type"] == "messages.missing":
            self._counts["lost"] += 1
        elif event["type"] == "message.new":
            self._counts["overRest"] += "unread" not in event["payload"]


def _seen(results: list[dict[str, Any]]) -> list[Seen]:
    return [Seen(**{**one, "shown": [(seq, content) for seq, content in one["shown"]]}) for one in results]
