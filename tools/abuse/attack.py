"""What an attack is: something that the hostile account goes on doing until it is stopped."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tools.abuse.hostile import Hostile

Act = Callable[[Hostile], Coroutine[Any, Any, None]]
"""Goes on until it is cancelled. The first line of its docstring describes it in the report."""


async def nothing(_hostile: Hostile) -> None:
    """Need no preparation."""


@dataclass(frozen=True, slots=True)
class Attack:
    """`prepare` runs before anything is measured.

    `told`: the errors, statuses and close codes by which the contract answers it; at least one of them must come, where there
    are any. `seconds`: how long it takes at least until they do.
    """

    name: str
    act: Act
    told: frozenset[str] = frozenset()
    prepare: Act = nothing
    friends: int = 0
    seconds: float = field(default=0.5)

    @property
    def description(self) -> str:
        """A line for people."""
        return (self.act.__doc__ or "").partition("\n")[0].rstrip(".")
