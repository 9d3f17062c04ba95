"""A browser that gets pushes: its keys, and a small push service that the notifier posts to.

The notifier's CHAT_PUSH_ALLOWED_HOSTS must contain its origin.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.notifier.base64url import encode

MAX_BODY_BYTES: Final = 4096
"""RFC 8291, section 4."""
AUTH_BYTES: Final = 16
MOST_PUSHES: Final = 100
"""Most pushes in memory; a probe waits for one."""


class Browser:
    """A subscription whose endpoint begins with `origin`."""

    def __init__(self, origin: str) -> None:
        self.path = f"/probe/{os.urandom(12).hex()}"
        self._endpoint = origin.rstrip("/") + self.path
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(AUTH_BYTES)
        self._pushes: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MOST_PUSHES)

    @property
    def subscription(self) -> dict[str, Any]:
        """`PushSubscription.toJSON()` (W3C Push API, section 8)."""
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": encode(point), "auth": encode(self._auth)}
        return {"endpoint": self._endpoint, "expirationTime": None, "keys": keys}

    async def wait_for(self, message_id: str) -> None:
        """Wait for the push of a message, without end."""
        while (await self._pushes.get()).get("data", {}).get("messageId") != message_id:
            pass

    async def take(self, request: web.Request) -> web.Response:
        """Answer a post of the notifier as a push service does: 201 for what this browser can read, 400 for anything else."""
        body = await request.read()
        try:
            text = http_ece.decrypt(body, private_key=self._private, auth_secret=self._auth, version="aes128gcm")
            push = json.loads(text)
        except (http_ece.ECEException, ValueError):
            return web.Response(status=400)
        if self._pushes.full():
            self._pushes.get_nowait()
        self._pushes.put_nowait(push)
        return web.Response(status=201)


@asynccontextmanager
async def listening(origin: str, host: str, port: int) -> AsyncIterator[Browser]:
    """A browser whose push service listens at `host` and `port`, where `origin` leads to. Raises OSError."""
    browser = Browser(origin)
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post(browser.path, browser.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield browser
    finally:
        await runner.cleanup()
