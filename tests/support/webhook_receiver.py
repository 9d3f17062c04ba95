"""The platform's own back end, as the receiver of webhooks: it checks signatures, and accepts or refuses what comes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.support.sockets import contains

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwnbUPbNQaeDk="
Event = dict[str, Any]
PATH = "/hook"


@dataclass
class Receiver:
    """Events in order: accepted ones, and refused ones. `answer` gives the status of each event.

    While `open` isn't set, events are accepted and not answered; `held` says how many of them.
    """

    url: str
    answer: Callable[[Event], int] = lambda _event: 204
    taken: list[Event] = field(default_factory=list)
    refused: list[Event] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    async def on_post(self, request: web.Request) -> web.Response:
        """One post. A wrong signature fails the test, because its event is never accepted."""
        event: Event = Webhook(SECRET).verify(await request.text(), dict(request.headers))
        assert event.keys() == {"type", "timestamp", "data"}, event
        status = self.answer(event)
        (self.taken if status < 300 else self.refused).append(event)
        if status < 300:
            self.ids.append(request.headers["webhook-id"])
        self.changed.set()
        self.held += 1
        try:
            await self.open.wait()
        finally:
            self.held -= 1
        headers = {"Location": f"{self.url}/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers)

    async def expect(self, event_type: str, /, *, timeout: float = 60, **data: Any) -> Event:
        """Return the oldest accepted event of this type whose data have these fields. Waits for it."""
        return await self._expect(self.taken, event_type, data, timeout)

    async def expect_refused(self, event_type: str, /, *, timeout: float = 60, **data: Any) -> Event:
        """The same, among those refused."""
        return await self._expect(self.refused, event_type, data, timeout)

    def of_type(self, event_type: str, **data: Any) -> list[Event]:
        """Return all accepted events of this type, in order."""
        return [each for each in self.taken if contains(each, {"type": event_type, "data": data})]

    async def _expect(self, events: list[Event], event_type: str, data: dict[str, Any], timeout: float) -> Event:
        wanted = {"type": event_type, "data": data}
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for each in events:
                        if contains(each, wanted):
                            return each
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            lines = [str(each)[:300] for each in (*self.taken, *self.refused)]
            raise AssertionError("\n".join([f"no {wanted} in {timeout} s; came:", *lines])) from None


@asynccontextmanager
async def receiver(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver, on a free port where none is given."""
    made = Receiver("")
    app = web.Application()
    app.router.add_post(PATH, made.on_post)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        made.url = f"http://{host}:{runner.addresses[0][1]}{PATH}"
        yield made
    finally:
        await runner.cleanup()
