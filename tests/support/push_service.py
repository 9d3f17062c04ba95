"""A push service for tests: it accepts and decrypts pushes as a browser would, and gives the answers that a test chooses."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import http_ece
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.notifier.base64url import decode, encode

HANG: Final = 0
"""The status that means: no answer at all."""


class Browser:
    """A subscribed browser: its keys, and the endpoint that its push service gave it."""

    def __init__(self, origin: str, token: str | None = None) -> None:
        self.token = token or os.urandom(12).hex()
        self.endpoint = f"{origin}/push/{self.token}"
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.p256dh = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.auth = os.urandom(16)

    @property
    def subscription(self) -> dict[str, Any]:
        """`PushSubscription.toJSON()`."""
        keys = {"p256dh": encode(self.p256dh), "auth": encode(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def decrypt(self, body: bytes) -> Any:
        """The JSON in an `aes128gcm` body. Raises http_ece.ECEException when it isn't for this browser."""
        return json.loads(http_ece.decrypt(body, private_key=self._private, auth_secret=self.auth, version="aes128gcm"))


@dataclass(frozen=True)
class Push:
    """One request that the service got. `at` is Unix seconds."""

    token: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)

    @property
    def claims(self) -> dict[str, Any]:
        """The verified VAPID claims (RFC 8292, section 3). Raises jwt.PyJWTError."""
        parts = dict(part.split("=", 1) for part in self.headers["authorization"].removeprefix("vapid ").split(","))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode(parts["k"]))
        return dict(jwt.decode(parts["t"], key, algorithms=["ES256"], options={"verify_aud": False}))


@dataclass
class Answer:
    """An answer, and the seconds before it."""

    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0


class PushService:
    """Answers 201, unless a test chooses other answers for one browser or for all."""

    def __init__(self) -> None:
        self.origin = ""
        self.pushes: list[Push] = []
        self.answer = Answer()
        self.answers: dict[str, list[Answer]] = {}
        self.most_at_once = 0
        self._at_once = 0
        self._changed = asyncio.Condition()

    def browser(self, *answers: Answer) -> Browser:
        """Return a new browser. Its pushes get `answers` in turn, and then the last one again and again."""
        browser = Browser(self.origin)
        if answers:
            self.answers[browser.token] = list(answers)
        return browser

    def to(self, browser: Browser) -> list[Push]:
        """The requests for one browser."""
        return [push for push in self.pushes if push.token == browser.token]

    @property
    def counts(self) -> Counter[str]:
        """Requests for each browser's token."""
        return Counter(push.token for push in self.pushes)

    async def wait_for(self, count: int, browser: Browser | None = None, seconds: float = 60) -> list[Push]:
        """Wait until there were `count` requests, for one browser or in all. Raises TimeoutError."""

        def seen() -> list[Push]:
            return self.pushes if browser is None else self.to(browser)

        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(seen()) >= count)
        return seen()

    async def _on_push(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        push = Push(request.match_info["token"], headers, await request.read())
        async with self._changed:
            self.pushes.append(push)
            self._changed.notify_all()
        answers = self.answers.get(push.token, [self.answer])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(3600 if answer.status == HANG else answer.after_seconds)
        finally:
            self._at_once -= 1
        return web.Response(status=answer.status, headers=answer.headers, text="push service says so")


@asynccontextmanager
async def push_service(port: int = 0) -> AsyncIterator[PushService]:
    """A running push service on loopback."""
    service = PushService()
    app = web.Application()
    app.router.add_post("/push/{token}", service._on_push)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    address = runner.addresses[0]
    service.origin = f"http://127.0.0.1:{address[1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
