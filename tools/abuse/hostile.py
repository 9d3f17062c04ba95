"""The hostile account: its sockets, its requests, and a count of the answers that it gets."""

import asyncio
import contextlib
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

import picows

from tools.abuse.listener import Listener
from tools.bench.reader import Reader
from tools.bench.target import Target
from tools.devtoken import mint

TOKEN_SECONDS: Final = 3600
MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024
"""Unsent bytes of a socket above which the attack waits, so that this process stays small."""
ATTEMPTS: Final = 20
PAUSE_SECONDS: Final = 0.05
HANG_UPS: Final = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


class Hostile:
    """One account, with a partner to write to. `told` counts events, errors, statuses (`429`) and close codes (`close 1008`).

    `sent` counts `frames`, `requests`, `handshakes`, and `bytes`: of frames, paths and bodies, as far as they left this process.
    `honest`: usernames of the honest users. `cursor`: that of a connection from before anything was sent.
    """

    def __init__(self, target: Target, honest: list[str], name: str | None = None) -> None:
        self.target = target
        self.honest = honest
        self.name = name or f"hostile-{secrets.token_hex(4)}"
        self.partner = f"{self.name}-partner"
        self.conversation_id = ""
        self.cursor: str | None = None
        self.told: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self._open: list[Listener] = []
        self._readers: set[Reader] = set()

    async def begin(self) -> None:
        """Register, and open the conversation with the partner. Raises RuntimeError when that is refused."""
        await self.ask("GET", "/chat/users/me", name=self.partner)
        opened = await self.ask("POST", "/chat/conversations", {"username": self.partner})
        self.conversation_id = str(opened["id"])

    def token(self, **claims: Any) -> str:
        """A token of the account."""
        return mint(self.name, lifetime_seconds=TOKEN_SECONDS, **claims)

    # --- sockets ------------------------------------------------------------------------------------------------------

    async def socket(self, cursor: str | None = None, name: str | None = None) -> Listener | None:
        """A connection, or None when it was refused."""
        listener = Listener(name or self.name, self._note)
        listener.cursor = cursor
        token = self.token() if name is None else mint(name)
        self.sent["handshakes"] += 1
        try:
            await listener.connect(self.target, token)
        except picows.WSInvalidStatusError as refusal:
            self.told["503" if refusal.response is None else str(int(refusal.response.status))] += 1
            return None
        except (picows.WSError, *HANG_UPS):
            self.told["no handshake"] += 1
            return None
        self._open.append(listener)
        return listener

    async def sockets(self, count: int, cursor: str | None = None) -> list[Listener]:
        """Open `count` connections. Returns those that were not refused."""
        made = await asyncio.gather(*(self.socket(cursor) for _ in range(count)))
        return [listener for listener in made if listener is not None]

    async def greeted(self, cursor: str | None = None) -> Listener:
        """Open a connection, and wait for `connection.success`. Raises RuntimeError when that fails."""
        for _ in range(ATTEMPTS):
            listener = await self.socket(cursor)
            if listener is not None:
                async with asyncio.timeout(30):
                    await listener.greeted.wait()
                return listener
            await asyncio.sleep(1)
        raise RuntimeError("no connection was to be had")

    def close(self) -> None:
        """Break all connections."""
        for listener in self._open:
            self._take_back(listener)
            listener.cut()
        for reader in self._readers:
            reader.close()
        self._open.clear()
        self._readers.clear()

    async def send(self, listener: Listener, kind: str, **payload: Any) -> None:
        """Send an event on a connection, as soon as its buffer has room."""
        await self.send_text(listener, json.dumps({"type": kind, "payload": payload}).encode())

    async def send_text(self, listener: Listener, text: bytes) -> None:
        """The same with any text."""
        while listener.unsent_bytes > MAX_UNSENT_BYTES:  # noqa: ASYNC110 - the transport has no event for it
            await asyncio.sleep(PAUSE_SECONDS)
        with contextlib.suppress(ConnectionError):
            listener.send(text)
            self.count(listener, text)

    async def ping(self, listener: Listener, payload: bytes) -> None:
        """Send a ping frame on a connection, if it is still open."""
        with contextlib.suppress(ConnectionError):
            listener.ping(payload)
            self.count(listener, payload)

    def count(self, listener: Listener, text: bytes) -> None:
        """Count a frame as sent."""
        self.sent["frames"] += 1
        self.sent["bytes"] += len(text)
        listener.last_bytes = len(text)

    def _take_back(self, listener: Listener) -> None:
        """Don't count what was never sent."""
        unsent = min(listener.unsent_bytes, self.sent["bytes"])
        if unsent:
            self.sent["bytes"] -= unsent
            self.sent["frames"] -= min(unsent // max(1, listener.last_bytes), self.sent["frames"])

    def _note(self, what: str) -> None:
        self.told[what] += 1

    # --- requests -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def http(self, token: str | None = None) -> AsyncIterator["Http"]:
        """A connection for requests."""
        http = Http(self, token or self.token())
        try:
            yield http
        finally:
            http.close()

    async def ask(
        self, method: str, path: str, body: Any = None, *, name: str | None = None, claims: dict[str, Any] | None = None
    ) -> Any:
        """Return the JSON of a request that must succeed, if necessary after waiting. Raises RuntimeError."""
        token = mint(name or self.name, **(claims or {}))
        url = self.target.url
        for _ in range(ATTEMPTS):
            reader = await Reader.connect(url, token)
            try:
                status, answer = await reader.request(method, path, encode(body))
            finally:
                reader.close()
            if status < 300:
                return json.loads(answer) if answer else None
            if status not in {429, 503}:
                raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
            await asyncio.sleep(1)
        raise RuntimeError(f"{method} {path}: refused {ATTEMPTS} times")


class Http:
    """One connection for requests. It is opened again when the other side closes it."""

    def __init__(self, hostile: Hostile, token: str) -> None:
        self._hostile = hostile
        self._token = token
        self._reader: Reader | None = None

    async def call(self, method: str, path: str, body: Any = None) -> int:
        """Make a request, count its status and return it; 0 when the connection broke."""
        sent = self._hostile.sent
        sent["requests"] += 1
        try:
            if self._reader is None:
                self._reader = await Reader.connect(self._hostile.target.url, self._token)
            content = encode(body)
            sent["bytes"] += len(path) + len(content)
            status, _ = await self._reader.request(method, path, content)
        except HANG_UPS:
            self.close()
            self._hostile.told["hung up"] += 1
            await asyncio.sleep(PAUSE_SECONDS)
            return 0
        self._hostile.told[str(status)] += 1
        return status

    def close(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def encode(body: Any) -> bytes:
    """A body as JSON; bytes as they are, None as nothing."""
    if isinstance(body, bytes):
        return body
    return b"" if body is None else json.dumps(body).encode()


async def ticks(per_second: float) -> AsyncIterator[int]:
    """Yield 0, 1, 2 … at this rate. Late ones follow at once."""
    began = time.monotonic()
    number = 0
    while True:
        wait = began + number / per_second - time.monotonic()
        # Even a late tick lets other tasks run.
        await asyncio.sleep(max(0.0, wait))
        yield number
        number += 1
