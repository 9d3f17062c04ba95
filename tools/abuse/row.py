"""The result of one attack."""

import msgspec

from tools.abuse.ratio import Ratio
from tools.bench.latency import Latency


class Row(msgspec.Struct):
    """`ack_ms`: latency of the honest pairs during the attack, `alone_ms`: right before it; over all `rounds`.

    `told`: answer → how often the hostile account got it. `sent`: what it sent in all `seconds`, by kind (`Hostile.sent`).

    Memory in bytes, by kind of process, in the round in which that kind grew most.
    """

    attack: str
    description: str
    ack_ms: Latency
    alone_ms: Latency
    ratio: Ratio
    rounds: int
    seconds: float
    acknowledged: int
    told: dict[str, int]
    sent: dict[str, int]
    memory_before: dict[str, int]
    memory_highest: dict[str, int]

    @property
    def growth(self) -> tuple[str, int]:
        """The kind of process that grew most, and by how many bytes."""
        grown = {kind: self.memory_highest[kind] - before for kind, before in self.memory_before.items()}
        kind = max(grown, key=lambda kind: grown[kind])
        return kind, grown[kind]


class Results(msgspec.Struct):
    """Rows of one run, or of several that each did a part. `machine`: what it ran on; `faults`: what must not be.

    `acknowledged`: messages of the honest pairs, over all of the run. `left_out`: the share of the time in which the host took
    CPU from the machine. `idle`: the attacker got only CPU that nobody else wanted.
    """

    rows: list[Row] = []
    faults: list[str] = []
    machine: dict[str, str] = {}
    acknowledged: int = 0
    idle: bool = True
    left_out: float = 0.0

    def merge(self, newer: "Results") -> "Results":
        """Return these results, with newer ones of the same attacks."""
        rows = {row.attack: row for row in self.rows} | {row.attack: row for row in newer.rows}
        return msgspec.structs.replace(newer, rows=list(rows.values()))
