"""Many connections at once, each of another user, opened as fast as the server admits them."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import picows

from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import token_of
from tools.bench.stage import Count
from tools.bench.target import Target

HANDSHAKES_AT_ONCE: Final = 100
ATTEMPTS: Final = 60
BUSY: Final = 503


class Crowd:
    """Peers of `count` users. `welcomed_at`: when each got `connection.success`, on `time.perf_counter`."""

    def __init__(self, target: Target, prefix: str, count: int) -> None:
        self._target = target
        self.peers = [Peer(f"{prefix}-{n}") for n in range(count)]
        self._tokens = {peer.name: token_of(peer.name) for peer in self.peers}
        self.welcomed_at: dict[str, float] = {}
        self.recovered: Counter[bool | None] = Counter()
        self.refusals: Counter[int] = Counter()
        self._turns = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        self._progress: Count | None = None
        self._complete = asyncio.Event()

    async def connect(self, progress: Count, timeout_seconds: float = 300) -> None:
        """Connect all peers. Retries when a busy server refuses, after the time that it names. Raises TimeoutError."""
        self.welcomed_at.clear()
        self.recovered.clear()
        self.refusals.clear()
        self._complete.clear()
        self._progress = progress
        for peer in self.peers:
            peer.on_event = self._on_event
        async with asyncio.timeout(timeout_seconds):
            await asyncio.gather(*(self._bring(peer) for peer in self.peers))
            await self._complete.wait()

    async def cut(self) -> None:
        """Drop all connections, without a close frame."""
        for peer in self.peers:
            peer.cut()
        await asyncio.sleep(0)

    def delays(self, since: float) -> Sequence[float]:
        """Seconds from `since` to each one's `connection.success`."""
        return [at - since for at in self.welcomed_at.values()]

    async def _bring(self, peer: Peer) -> None:
        for _ in range(ATTEMPTS):
            wait = await self._try(peer)
            if wait is None:
                return
            await asyncio.sleep(wait)
        raise ConnectionError(f"{peer.name} was refused {ATTEMPTS} times")

    async def _try(self, peer: Peer) -> float | None:
        """Try to connect once. Returns None, or the seconds to wait when the server refused."""
        async with self._turns:
            try:
                await peer.connect(self._target, self._tokens[peer.name])
            except picows.WSInvalidStatusError as refusal:
                answer = refusal.response
                if answer is None or int(answer.status) != BUSY:
                    raise
                self.refusals[BUSY] += 1
                return float(answer.headers.get("Retry-After", "1"))
        return None

    def _on_event(self, peer: Peer, event: SeenEvent) -> None:
        if event.type != "connection.success" or event.payload is None:
            return
        peer.cursor = event.payload.cursor
        self.recovered[event.payload.recovered] += 1
        self.welcomed_at[peer.name] = time.perf_counter()
        if self._progress is not None:
            self._progress.add()
        if len(self.welcomed_at) == len(self.peers):
            self._complete.set()
