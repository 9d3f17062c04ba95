"""Mozilla's push service as Firefox and the notifier see it (autopush): a WebSocket for the browser, an endpoint for pushes.

It speaks the part of the protocol that a browser needs: hello, register, unregister, notification, ack, and empty pings.
What it doesn't do: keep messages for browsers that aren't connected, broadcasts, and `Topic`.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from aiohttp import WSMsgType, web

from services.notifier.base64url import encode
from tests.support.push_service import Push

PROTOCOL: Final = "push-notification"
DELIVERED: Final = 100
"""The code of an `ack` for a message that was decrypted and given to the service worker."""
ACK_SECONDS: Final = 30


@dataclass
class Channel:
    """One subscription of the browser. `key`: the VAPID key that it is bound to, base64url without padding."""

    id: str
    key: str
    acks: asyncio.Queue[int] = field(default_factory=asyncio.Queue)


class Autopush:
    """The service. `channels`: the current subscriptions, by id."""

    def __init__(self) -> None:
        self.origin = ""
        self.channels: dict[str, Channel] = {}
        self.statuses: list[int] = []
        """The statuses that the notifier got, in order."""
        self._browser_id = uuid.uuid4().hex
        self._socket: web.WebSocketResponse | None = None

    @property
    def url(self) -> str:
        """What the browser's `dom.push.serverURL` has to be."""
        return f"{self.origin.replace('http', 'ws', 1)}/"

    def endpoint_of(self, channel: Channel) -> str:
        """Return the `endpoint` of a subscription."""
        return f"{self.origin}/push/{channel.id}"

    async def forget(self) -> None:
        """Forget the browser and its subscriptions, as the real service does after a while. The next hello is told."""
        self._browser_id = uuid.uuid4().hex
        self.channels.clear()
        if self._socket is not None:
            await self._socket.close()

    async def _on_browser(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=[PROTOCOL])
        await socket.prepare(request)
        self._socket = socket
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                answer = self._answer(frame.json())
                if answer is not None:
                    await socket.send_json(answer)
        return socket

    def _answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        match message.get("messageType"):
            case None:
                return {}
            case "hello":
                return {"messageType": "hello", "status": 200, "uaid": self._browser_id, "use_webpush": True}
            case "register":
                channel = Channel(message["channelID"], message.get("key", "").rstrip("="))
                self.channels[channel.id] = channel
                there = {"channelID": channel.id, "pushEndpoint": self.endpoint_of(channel)}
                return {"messageType": "register", "status": 200, **there}
            case "unregister":
                self.channels.pop(message["channelID"], None)
                return {"messageType": "unregister", "status": 200, "channelID": message["channelID"]}
            case "ack":
                for update in message["updates"]:
                    if update["channelID"] in self.channels:
                        self.channels[update["channelID"]].acks.put_nowait(update["code"])
        return None

    async def _on_push(self, request: web.Request) -> web.Response:
        status = await self._deliver(request)
        self.statuses.append(status)
        return web.Response(status=status)

    async def _deliver(self, request: web.Request) -> int:
        """Hand a push to the browser; returns the status: 410 without such a subscription, 401 with another key."""
        channel = self.channels.get(request.match_info["channel"])
        if channel is None or self._socket is None:
            return 410
        headers = {name.lower(): value for name, value in request.headers.items()}
        push = Push(channel.id, headers, await request.read())
        try:
            signed = push.claims["aud"] == self.origin and f"k={channel.key}" in headers["authorization"]
        except (jwt.PyJWTError, KeyError):
            signed = False
        if not signed:
            return 401
        await self._socket.send_json(
            {
                "messageType": "notification",
                "channelID": channel.id,
                "version": uuid.uuid4().hex,
                "data": encode(push.body),
                "headers": {"encoding": headers["content-encoding"]},
            }
        )
        async with asyncio.timeout(ACK_SECONDS):
            return 201 if await channel.acks.get() == DELIVERED else 400


@asynccontextmanager
async def autopush() -> AsyncIterator[Autopush]:
    """A running service on loopback."""
    service = Autopush()
    app = web.Application()
    app.router.add_get("/", service._on_browser)
    app.router.add_post("/push/{channel}", service._on_push)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
