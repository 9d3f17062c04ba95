"""One user with a phone: what it does in a day, and which messages it gets."""

import asyncio
import json
import random
import time
from typing import Final

from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import token_of
from tools.bench.reader import Reader
from tools.bench.target import Target

SENDS: Final = 20
"""Messages that the user sends; the friend sends as many."""
HISTORIES: Final = 3
RECONNECTS_AFTER: Final = (7, 14)
TYPING_EVERY: Final = 4
BUSY_AFTER: Final = 5
BACK_AFTER: Final = 15
PAUSE_SECONDS: Final = 0.4
"""Between two messages, on average."""
AWAY_SECONDS: Final = 0.3
WAIT_SECONDS: Final = 30.0
OK: Final = 200


class Person:
    """A user in one conversation. `seen`: seqs that were received or read; `latencies`: seconds to each `message.sent`."""

    def __init__(self, target: Target, name: str, conversation: str, chance: random.Random) -> None:
        self._target = target
        self._conversation = conversation
        self._chance = chance
        self._peer = Peer(name)
        self._peer.on_event = self._on_event
        self._token = token_of(name)
        self._welcome = asyncio.Event()
        self._recovered: bool | None = None
        self._due: dict[int, float] = {}
        self.seen: set[int] = set()
        self.latencies: list[float] = []
        self.faults = 0

    async def live(self) -> None:
        """Live the whole day."""
        await self._pause(2.0)
        await self._connect()
        await self._read(HISTORIES)
        for number in range(SENDS):
            await self._write(number)
            if number in RECONNECTS_AFTER:
                await self._come_back()
        await self._answered()

    def leave(self) -> None:
        """Drop the connection."""
        self._peer.cut()

    async def _write(self, number: int) -> None:
        conversation = self._conversation.encode()
        if number % TYPING_EVERY == 0:
            self._peer.send(b'{"type":"typing.start","payload":{"conversationId":"%s"}}' % conversation)
        if number in {BUSY_AFTER, BACK_AFTER}:
            status = b"busy" if number == BUSY_AFTER else b"online"
            self._peer.send(b'{"type":"presence.set","payload":{"status":"%s"}}' % status)
        await self._pause(PAUSE_SECONDS)
        self._due[number] = time.perf_counter()
        self._peer.send(
            b'{"type":"message.send","payload":{"conversationId":"%s","type":"text","content":"%s",'
            b'"tempId":"018f2c3a-77aa-7000-8000-%012d"}}' % (conversation, b"a text of a phone " * 5, number)
        )

    async def _come_back(self) -> None:
        """Lose the connection, and reconnect with the last cursor. If it isn't recovered, read history."""
        await self._answered()
        self._peer.cut()
        await asyncio.sleep(AWAY_SECONDS)
        await self._connect()
        if not self._recovered:
            await self._read(1)

    async def _read(self, histories: int) -> None:
        """Read the list and some histories, over a new connection, because a server may close one that is idle for seconds."""
        reader = await Reader.connect(self._target.url, self._token)
        try:
            await self._get(reader, "/chat/conversations?limit=30")
            for _ in range(histories):
                await self._get(reader, f"/chat/conversations/{self._conversation}/messages?limit=50")
        finally:
            reader.close()

    async def _get(self, reader: Reader, path: str) -> None:
        status, body = await reader.get(path)
        if status != OK:
            self.faults += 1
            return
        self.seen.update(item["seq"] for item in json.loads(body)["items"] if "seq" in item)

    async def _connect(self) -> None:
        self._welcome.clear()
        await self._peer.connect(self._target, self._token)
        async with asyncio.timeout(WAIT_SECONDS):
            await self._welcome.wait()

    async def _answered(self) -> None:
        """Wait until all sent messages are answered."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self._due:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(self._chance.uniform(0, 2 * seconds))

    def _on_event(self, peer: Peer, event: SeenEvent) -> None:
        payload = event.payload
        if event.error is not None:
            self.faults += 1
        if payload is None:
            return
        if event.type == "connection.success":
            peer.cursor = payload.cursor
            self._recovered = payload.recovered
            self._welcome.set()
        elif event.type == "message.sent" and payload.message is not None:
            self.seen.add(payload.message.seq)
            due = self._due.pop(int((payload.temp_id or "")[-12:]), None)
            if due is not None:
                self.latencies.append(time.perf_counter() - due)
        elif event.type == "message.new" and payload.message is not None:
            self.seen.add(payload.message.seq)
