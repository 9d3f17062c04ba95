"""Fifty honest pairs that write 500 messages a second in all, at a fixed rate."""

import asyncio
import os
import random
from contextlib import suppress
from itertools import pairwise
from typing import Final

from tools.abuse.stolen import own, stolen_seconds
from tools.bench.ledger import Verdict, judge
from tools.bench.pacer import arrivals, pace
from tools.bench.people import Rest
from tools.bench.target import Target
from tools.bench.traffic import Traffic, gather_pairs

PAIRS: Final = 50
RATE: Final = 500.0
FOREVER_SECONDS: Final = 24 * 3600.0
LATE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02
PART_SECONDS: Final = 0.5
CPUS: Final = os.cpu_count() or 1


class Honest:
    """Pairs that chat from `start` to `finish`. `left_out` of the `measured` half seconds: the host took CPU from the machine."""

    def __init__(self, traffic: Traffic, rate: float) -> None:
        self._traffic = traffic
        self._rate = rate
        self._talking: asyncio.Task[None] | None = None
        self.measured = 0
        self.left_out = 0

    @classmethod
    async def gather(cls, target: Target, rest: Rest, prefix: str, pairs: int = PAIRS, rate: float = RATE) -> "Honest":
        """Connect new pairs."""
        return cls(Traffic(await gather_pairs(target, rest, prefix, pairs)), rate)

    @property
    def names(self) -> list[str]:
        """Return all usernames."""
        return [peer.name for pair in self._traffic.pairs for peer in (pair.sender, pair.receiver)]

    def start(self) -> None:
        """Begin to chat, as independent people do."""
        chance = random.Random()  # noqa: S311 - times of messages
        self._talking = asyncio.create_task(
            pace(arrivals(self._rate, FOREVER_SECONDS, chance), self._traffic.send_next)
        )

    async def acknowledged(self, seconds: float) -> list[float]:
        """Chat for `seconds`, and return the seconds from each message's due time to its acknowledgement.

        It waits at most 30 s for the acknowledgements of messages that were sent in this time. Half seconds in which the host
        took CPU from this machine are left out.
        """
        loop, acks = asyncio.get_running_loop(), self._traffic.acks
        places, shares, end = [len(acks)], list[float](), loop.time() + seconds
        while (left := end - loop.time()) > 0:
            before = stolen_seconds()
            await asyncio.sleep(min(PART_SECONDS, left))
            shares.append((stolen_seconds() - before) / PART_SECONDS / CPUS)
            places.append(len(acks))
        await self._answered()
        places[-1] = len(acks)
        parts = [acks[first:after] for first, after in pairwise(places)]
        counts = own(shares)
        self.left_out += counts.count(False)
        self.measured += len(counts)
        return [latency for part, is_own in zip(parts, counts, strict=True) if is_own for latency in part]

    async def _answered(self) -> None:
        """Wait until everything that was sent so far is answered."""
        due = [(pair.account, pair.account.sent) for pair in self._traffic.pairs]
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_SECONDS):
                while any(account.sent - account.outstanding < sent for account, sent in due):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(POLL_SECONDS)

    async def finish(self, rest: Rest) -> tuple[Verdict, dict[str, int]]:
        """Stop chatting. Returns the verdict on all messages, and the errors by code."""
        assert self._talking is not None
        self._talking.cancel()
        await asyncio.gather(self._talking, return_exceptions=True)
        await self._traffic.finish()
        verdict = judge([pair.account for pair in self._traffic.pairs], await self._traffic.histories(rest))
        self._traffic.close()
        return verdict, dict(self._traffic.errors)
