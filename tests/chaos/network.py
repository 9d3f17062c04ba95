"""A network that misbehaves at random: cuts, silence, delays, refusals, and a proxy that lies."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tests.faults.proxy import Proxy
from tools.stack.ports import free_port

CALM_SECONDS: Final = (1.0, 6.0)
"""Between two faults."""
FAULT_SECONDS: Final = 1.5
"""How long a fault lasts that isn't a moment."""
SLOW_SECONDS: Final = 0.3


@dataclass
class BadNetwork:
    """Faults on the way to a server, one after the other, until it is stopped. `faults` counts them by name."""

    proxy: Proxy
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter)

    async def misbehave(self) -> None:
        """Make faults. Never returns."""
        kinds = {
            "connections cut": self._cut,
            "half-open connections": self._strand,
            "slow": self._slow,
            "refused": self._refuse,
            "lies (502, broken bodies)": self._lie,
        }
        while True:
            await asyncio.sleep(self.chance.uniform(*CALM_SECONDS))
            kind = self.chance.choice(list(kinds))
            self.faults[kind] += 1
            await kinds[kind]()

    def heal(self) -> None:
        """End every fault."""
        self.proxy.refusing = self.proxy.lying = False
        self.proxy.delay_seconds = 0.0
        self.proxy.cut()

    async def _cut(self) -> None:
        self.proxy.cut()

    async def _strand(self) -> None:
        self.proxy.strand()

    async def _slow(self) -> None:
        self.proxy.delay_seconds = SLOW_SECONDS
        await asyncio.sleep(FAULT_SECONDS)
        self.proxy.delay_seconds = 0.0

    async def _refuse(self) -> None:
        self.proxy.refusing = True
        self.proxy.cut()
        await asyncio.sleep(FAULT_SECONDS)
        self.proxy.refusing = False

    async def _lie(self) -> None:
        self.proxy.lying = True
        self.proxy.cut()
        await asyncio.sleep(FAULT_SECONDS)
        self.proxy.lying = False


@asynccontextmanager
async def bad_network(url: str, seed: int) -> AsyncIterator[tuple[str, BadNetwork]]:
    """The address of `url` over a network that misbehaves in the order that `seed` gives, and the network."""
    network = BadNetwork(Proxy.to(url), random.Random(seed))
    await network.proxy.start(free_port())
    trouble = asyncio.create_task(network.misbehave())
    try:
        yield network.proxy.url(url), network
    finally:
        trouble.cancel()
        await asyncio.gather(trouble, return_exceptions=True)
        network.heal()
        await network.proxy.stop()
