"""The result of one attack."""

import msgspec

from tools.bench.latency import Latency


class Row(msgspec.Struct):
    """`ack_ms`: latency of the honest pairs during the attack, `alone_ms`: without it.

    `told`: answer → how often the hostile account got it.

    Memory in bytes, by kind of process.
    """

    attack: str
    description: str
    ack_ms: Latency
    acknowledged: int
    told: dict[str, int]
    memory_before: dict[str, int]
    memory_highest: dict[str, int]
    alone_ms: Latency | None = None

    @property
    def ratio(self) -> float:
        """Return the ratio of the honest pairs' 99th percentile during the attack to that without it."""
        return self.ack_ms.p99 / self.alone_ms.p99 if self.alone_ms else float("nan")

    @property
    def growth(self) -> tuple[str, int]:
        """The kind of process that grew most, and by how many bytes."""
        grown = {kind: self.memory_highest[kind] - before for kind, before in self.memory_before.items()}
        kind = max(grown, key=lambda kind: grown[kind])
        return kind, grown[kind]


class Results(msgspec.Struct):
    """Rows of one run, or of several that each did a part. `machine`: what it ran on; `faults`: what must not be.

    `acknowledged`: messages of the honest pairs, over all of the run.
    """

    rows: list[Row] = []
    faults: list[str] = []
    machine: dict[str, str] = {}
    acknowledged: int = 0

    def needs(self, attack: str, most: float) -> bool:
        """True when an attack was measured, and its ratio is over `most`."""
        return any(row.attack == attack and row.ratio > most for row in self.rows)

    def add(self, row: Row) -> None:
        """Keep a row. Of one attack the row with the lowest p99 is kept, at its place."""
        for place, other in enumerate(self.rows):
            if other.attack == row.attack:
                self.rows[place] = min(other, row, key=lambda each: each.ack_ms.p99)
                return
        self.rows.append(row)

    def merge(self, newer: "Results") -> "Results":
        """Return these results, with newer ones of the same attacks."""
        rows = {row.attack: row for row in self.rows} | {row.attack: row for row in newer.rows}
        return Results(list(rows.values()), newer.faults, newer.machine, newer.acknowledged)
