"""Measures attacks beside the honest pairs, in turn with times without an attack."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from tools.abuse.attack import Attack
from tools.abuse.attacker import Order, Outcome
from tools.abuse.attacking import Attacking
from tools.abuse.honest import Honest
from tools.abuse.memory import Memory
from tools.abuse.ratio import Window, ratio_of
from tools.abuse.row import Row
from tools.bench.latency import Latency, summarize

SETTLE_SECONDS: Final = 1.0
"""The shortest time after an attack, and how often it is looked whether the system is quiet again."""
MOST_SETTLES: Final = 10
QUIET_RATIO: Final = 1.25
"""The system is quiet when the honest pairs' median is at most so much higher than it usually is without an attack."""
ALONE_SHARE: Final = 0.625
"""The time without an attack, as a share of the attack's time. There is one before each attack."""


@dataclass(frozen=True, slots=True)
class Round:
    """An attack that was carried out once. `place`: of the time without an attack before it, among all such times."""

    attack: Attack
    place: int
    beside: Window
    outcome: Outcome
    memory_before: dict[str, int]
    memory_highest: dict[str, int]


class Measurement:
    """Measures attacks one after the other, each as often as it is asked for."""

    def __init__(self, attacking: Attacking, honest: Honest, memory: Memory, seconds: float) -> None:
        self._attacking = attacking
        self._honest = honest
        self._seconds = seconds
        self._memory = memory
        self._alone: list[Window] = []
        self._rounds: list[Round] = []

    async def measure(self, attack: Attack) -> None:
        """Prepare an attack, and measure without and with it. Raises RuntimeError or TimeoutError when it breaks off."""
        try:
            await self._attacking.prepare(Order(attack.name, self._seconds))
            await self.rest()
            await self._beside(attack)
        except (RuntimeError, TimeoutError):
            await self._attacking.stop()
            raise

    async def rest(self) -> None:
        """Measure without an attack, as soon as the system has done what the attack before left behind."""
        await self._settle()
        self._alone.append(await self._honest.acknowledged(self._seconds * ALONE_SHARE))

    async def _settle(self) -> None:
        """Wait until the system is quiet, for a limited time: a machine that has become slower is never quiet again."""
        medians = [median(window) for window in self._alone if window]
        for _ in range(MOST_SETTLES):
            window = await self._honest.acknowledged(SETTLE_SECONDS)
            if not medians or (window and median(window) <= median(medians) * QUIET_RATIO):
                return

    async def _beside(self, attack: Attack) -> None:
        before = self._memory.now()
        async with self._memory.watched():
            await self._attacking.begin()
            beside = await self._honest.acknowledged(self._seconds)
        outcome = await self._attacking.outcome()
        if not beside:
            raise RuntimeError("nothing was acknowledged during the attack")
        self._rounds.append(Round(attack, len(self._alone) - 1, beside, outcome, before, self._memory.highest))

    @property
    def alone(self) -> Latency | None:
        """Return the latency of the honest pairs at all times without an attack."""
        return summarize(_joined(self._alone))

    def rows(self) -> list[Row]:
        """Return the results of all attacks that were carried out, in the order in which they first were."""
        attacks = {each.attack.name: each.attack for each in self._rounds}
        return [self.row(attack) for attack in attacks.values()]

    def row(self, attack: Attack) -> Row:
        """Join all rounds of an attack, of which there must be one, and the times without it right before each.

        The time after an attack doesn't count: what an attack leaves behind would make it look harmless.
        """
        rounds = [each for each in self._rounds if each.attack.name == attack.name]
        alone = [self._alone[each.place] for each in rounds]
        beside = [each.beside for each in rounds]
        together, apart = summarize(_joined(beside)), summarize(_joined(alone))
        assert together is not None
        assert apart is not None
        before, highest = _grown(rounds)
        return Row(
            attack=attack.name,
            description=attack.description,
            ack_ms=together,
            alone_ms=apart,
            ratio=ratio_of(beside, alone),
            rounds=len(rounds),
            seconds=self._seconds * len(rounds),
            acknowledged=sum(map(len, beside)),
            told=_sum(each.outcome.told for each in rounds),
            sent=_sum(each.outcome.sent for each in rounds),
            memory_before=before,
            memory_highest=highest,
        )


def _joined(windows: Iterable[Window]) -> list[float]:
    return [seconds for window in windows for seconds in window]


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _grown(rounds: list[Round]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the memory before and at the highest, of each kind of process in the round in which it grew most."""
    most = {
        kind: max(rounds, key=lambda each, kind=kind: each.memory_highest[kind] - each.memory_before[kind])  # type: ignore[misc]
        for kind in rounds[0].memory_before
    }
    return (
        {kind: each.memory_before[kind] for kind, each in most.items()},
        {kind: each.memory_highest[kind] for kind, each in most.items()},
    )
