"""What one connection types."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Indicator(NamedTuple):
    """One conversation that a connection types in. Monotonic seconds; `stamp` is the `at_ms` of its last signal."""

    sent_at: float
    ends_at: float
    stamp: int


@dataclass(slots=True)
class TypingState:
    """What one connection types: made with its first typing event.

    `ended`: the conversation that its client or a message ended last, and when (monotonic seconds).
    """

    indicators: dict[str, Indicator] = field(default_factory=dict)
    ended: tuple[str, float] = ("", 0.0)
