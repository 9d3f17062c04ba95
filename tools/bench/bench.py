"""What every scenario gets: the target, the progress display, and how to connect pairs."""

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from tools.bench.stage import Stages
from tools.bench.target import Target
from tools.bench.traffic import Gathering, gather

Gather = Callable[[Target, str, int], AbstractAsyncContextManager[Gathering]]
"""(target, prefix of the users' names, number of pairs) → the pairs."""


@dataclass(frozen=True, slots=True)
class Bench:
    """`quick` shortens every scenario, `brief` those of messages even more, for many rounds.

    `run` is in all user names, so every run has new users. `gather` connects pairs.
    """

    target: Target
    stages: Stages
    quick: bool = False
    gather: Gather = gather
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    brief: bool = False

    def prefix(self, scenario: str) -> str:
        """Return a prefix for user names, unique to this run, target and scenario."""
        return f"{self.run}-{self.target.name}-{scenario}"
