"""The results of one scenario on one target, and of a whole run, as the JSON file holds them."""

from pathlib import Path

import msgspec

from tools.bench.latency import Latency
from tools.bench.ledger import Verdict

Figures = dict[str, tuple[float, bool]]
"""name → (value, whether more is better)."""


class Outcome(msgspec.Struct, omit_defaults=True):
    """The figures of one scenario.

    `unit`: what is counted, such as `message` or `connection`; there were `count` of them in `seconds`. `cpu_us`: microseconds of
    CPU for each unit, by kind of server process; `generator_us`: the same for the load generator. `memory`: bytes for each
    connection, by kind. `extra`: figures of this scenario only, with the unit in the name.
    """

    scenario: str
    target: str
    unit: str
    count: int
    seconds: float
    cpu_us: dict[str, float]
    generator_us: float
    ack_ms: Latency | None = None
    receive_ms: Latency | None = None
    memory: dict[str, float] = {}
    extra: dict[str, float] = {}
    errors: dict[str, int] = {}
    verdict: Verdict | None = None

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.count / self.seconds

    @property
    def server_us(self) -> float:
        """CPU of all server processes for each unit, microseconds."""
        return sum(self.cpu_us.values())

    @property
    def faults(self) -> list[str]:
        """Lost and refused messages, which must not happen."""
        lost = [] if self.verdict is None else self.verdict.faults
        return [*lost, *(f"{count} × error {code}" for code, count in self.errors.items())]


class Run(msgspec.Struct):
    """A whole run. `commit`: the measured code; `machine`: a description; `at`: when it started, RFC 3339."""

    at: str
    commit: str
    machine: dict[str, str]
    outcomes: list[Outcome]


def figures(outcome: Outcome) -> Figures:
    """Return the figures of an outcome that are compared with those of another run."""
    found: Figures = {f"{outcome.unit}s a second": (outcome.rate, True), "server µs each": (outcome.server_us, False)}
    found |= {f"  {kind} µs": (spent, False) for kind, spent in outcome.cpu_us.items()}
    for what, latency in (("ack", outcome.ack_ms), ("receive", outcome.receive_ms)):
        if latency is not None:
            found |= {f"{what} p50 ms": (latency.p50, False), f"{what} p99 ms": (latency.p99, False)}
    return found | {f"{kind} bytes each": (size, False) for kind, size in outcome.memory.items()}


def save(run: Run, path: Path) -> None:
    """Write a run as indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")


def load(path: Path) -> Run:
    """Read a run. Raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=Run)
