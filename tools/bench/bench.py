"""What every scenario works with."""

import secrets
from dataclasses import dataclass, field

from tools.bench.stage import Stages
from tools.bench.target import Target


@dataclass(frozen=True, slots=True)
class Bench:
    """`quick` shortens every scenario. `run`: makes the users of this run new ones."""

    target: Target
    stages: Stages
    quick: bool = False
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    def prefix(self, scenario: str) -> str:
        """A beginning of user names that no other scenario has."""
        return f"{self.run}-{self.target.name}-{scenario}"
