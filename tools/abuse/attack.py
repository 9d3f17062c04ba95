"""An attack: something that the hostile account does until it is stopped."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tools.abuse.hostile import Hostile

Act = Callable[[Hostile], Coroutine[Any, Any, None]]
"""Runs until it is cancelled. The first line of its docstring is its description in the report."""


async def nothing(_hostile: Hostile) -> None:
    """Need no preparation."""


@dataclass(frozen=True, slots=True)
class Attack:
    """`prepare` runs before anything is measured.

    `told`: the errors, statuses and close codes with which the protocol answers it; if there are any, at least one must come.
    `seconds`: the shortest time until they come.
    """

    name: str
    act: Act
    told: frozenset[str] = frozenset()
    prepare: Act = nothing
    friends: int = 0
    seconds: float = field(default=0.5)

    @property
    def description(self) -> str:
        """Return one line for the report."""
        return (self.act.__doc__ or "").partition("\n")[0].rstrip(".")
