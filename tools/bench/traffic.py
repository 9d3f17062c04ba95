"""Pairs of users that chat: one sends, the other receives, each over a connection of its own."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from tools.bench.ledger import Account, Stored
from tools.bench.peer import Peer, SeenEvent
from tools.bench.people import Rest, rest_of, together, token_of
from tools.bench.target import Target

FILLER: Final = "the quick brown fox jumps over the lazy dog and the dog does not mind at all"
CONTENT_CHARACTERS: Final = 100
QUIET_SECONDS: Final = 30


class Pair:
    """A sender, a receiver, and the record of their messages. `intended_at`: when each message was due, by its number."""

    def __init__(self, sender: Peer, receiver: Peer, conversation_id: str) -> None:
        self.sender = sender
        self.receiver = receiver
        self.account = Account(conversation_id)
        self.intended_at: list[float] = []
        self._head = (
            b'{"type":"message.send","payload":{"conversationId":"%s","type":"text","content":"'
            % conversation_id.encode()
        )
        self._filler = FILLER.ljust(CONTENT_CHARACTERS - 17, ".").encode()[: CONTENT_CHARACTERS - 17]

    def send(self, intended_at: float) -> None:
        """Send the next message, as a browser would: a tempId of 36 characters, 100 characters of text."""
        number = self.account.sent
        self.account.sent += 1
        self.intended_at.append(intended_at)
        self._write(number, b"%016d %s" % (number, self._filler))

    def _write(self, number: int, text: bytes) -> None:
        self.sender.send(b'%s%s","tempId":"018f2c3a-77aa-7000-8000-%012d"}}' % (self._head, text, number))


class Traffic:
    """All pairs, with their latencies since `reset`. `outstanding`: how many messages each pair keeps under way after `start`."""

    def __init__(self, pairs: list[Pair], outstanding: int = 0) -> None:
        self.pairs = pairs
        self.acks: list[float] = []
        self.receipts: list[float] = []
        self.errors: Counter[str] = Counter()
        self._outstanding = outstanding
        self._flowing = False
        self._turn = 0
        for pair in pairs:
            pair.sender.on_event = partial(self._on_sender_event, pair)
            pair.receiver.on_event = partial(self._on_receiver_event, pair)

    def reset(self) -> None:
        """Forget the latencies so far."""
        self.acks.clear()
        self.receipts.clear()

    def start(self) -> None:
        """Keep `outstanding` messages of each pair under way."""
        self._flowing = True
        for pair in self.pairs:
            for _ in range(self._outstanding):
                pair.send(time.perf_counter())

    def send_next(self, intended_at: float) -> None:
        """Let the next pair send one message."""
        self.pairs[self._turn % len(self.pairs)].send(intended_at)
        self._turn += 1

    async def finish(self) -> None:
        """Stop sending, and wait until all messages are answered and received, or until nothing arrives for 30 s."""
        self._flowing = False
        seen, since = -1, time.perf_counter()
        while self._missing() and time.perf_counter() - since < QUIET_SECONDS:
            if len(self.acks) + len(self.receipts) != seen:
                seen, since = len(self.acks) + len(self.receipts), time.perf_counter()
            await asyncio.sleep(0.05)

    async def histories(self, rest: Rest) -> Stored:
        """Return the stored messages of each conversation."""
        calls = [partial(rest.history, pair.receiver.name, pair.account) for pair in self.pairs]
        stored = await together(calls)
        return {pair.account.name: history for pair, history in zip(self.pairs, stored, strict=True)}

    def close(self) -> None:
        """Drop all connections."""
        for pair in self.pairs:
            pair.sender.cut()
            pair.receiver.cut()

    def _missing(self) -> bool:
        accounts = [pair.account for pair in self.pairs]
        return any(one.outstanding or len(one.received) < len(one.acknowledged) for one in accounts)

    def _on_sender_event(self, pair: Pair, _peer: Peer, event: SeenEvent) -> None:
        payload = event.payload
        if event.type == "message.sent" and payload is not None and payload.message is not None:
            number = int((payload.temp_id or "")[-12:])
            pair.account.acknowledged.append((number, payload.message.seq))
            now = time.perf_counter()
            self.acks.append(now - pair.intended_at[number])
            if self._flowing and self._outstanding:
                pair.send(now)
        elif event.error is not None:
            self.errors[event.error["code"]] += 1
            pair.account.refused += 1

    def _on_receiver_event(self, pair: Pair, _peer: Peer, event: SeenEvent) -> None:
        payload = event.payload
        if event.type == "message.new" and payload is not None and payload.message is not None:
            number = int(payload.message.content[:16])
            pair.account.received.append((number, payload.message.seq))
            self.receipts.append(time.perf_counter() - pair.intended_at[number])


@dataclass(frozen=True, slots=True)
class Gathering:
    """Pairs that are ready to chat, and how to read what the server has stored of their traffic."""

    pairs: list[Pair]
    read_stored: Callable[[Traffic], Awaitable[Stored]]

    @classmethod
    def over(cls, rest: Rest, pairs: list[Pair]) -> "Gathering":
        """Return these pairs; their histories are read over REST."""
        return cls(pairs, lambda traffic: traffic.histories(rest))


@asynccontextmanager
async def gather(target: Target, prefix: str, count: int) -> AsyncIterator[Gathering]:
    """Connect `count` new pairs to a system with this project's protocol."""
    async with rest_of(target) as rest:
        yield Gathering.over(rest, await gather_pairs(target, rest, prefix, count))


async def gather_pairs(target: Target, rest: Rest, prefix: str, count: int) -> list[Pair]:
    """Create `count` pairs of new users, open their conversations, and connect them."""
    names = [(f"{prefix}-s{n}", f"{prefix}-r{n}") for n in range(count)]
    ids = await together(partial(rest.open_conversation, sender, receiver) for sender, receiver in names)
    pairs = [Pair(Peer(s), Peer(r), i) for (s, r), i in zip(names, ids, strict=True)]
    # All senders connect before all receivers, so that an alternating balancer puts the two ends of a pair on different gateways.
    peers = [pair.sender for pair in pairs] + [pair.receiver for pair in pairs]
    await connect_all(target, peers)
    return pairs


async def connect_all(target: Target, peers: list[Peer]) -> None:
    """Connect peers and wait for each one's first event."""
    welcomed = asyncio.Event()
    waiting = set(peers)

    def on_event(peer: Peer, event: SeenEvent) -> None:
        if event.type == "connection.success" and event.payload is not None:
            peer.cursor = event.payload.cursor
            waiting.discard(peer)
            if not waiting:
                welcomed.set()

    for peer in peers:
        peer.on_event = on_event
    await together(partial(peer.connect, target, token_of(peer.name)) for peer in peers)
    async with asyncio.timeout(30):
        await welcomed.wait()
