"""What every scenario works with."""

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
    """`quick` shortens every scenario. `run`: makes the users of this run new ones. `gather`: how pairs come to chat."""

    target: Target
    stages: Stages
    quick: bool = False
    gather: Gather = gather
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    def prefix(self, scenario: str) -> str:
        """A beginning of user names that no other scenario has."""
        return f"{self.run}-{self.target.name}-{scenario}"
