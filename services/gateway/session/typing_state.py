"""Typing state of one connection."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Indicator(NamedTuple):
    """One conversation in which the user types. Times are monotonic seconds; `stamp` is the `at_ms` of the last signal."""

    sent_at: float
    ends_at: float
    stamp: int


@dataclass(slots=True)
class TypingState:
    """Where the user types on one connection. Created with its first typing event.

    `ended`: the conversation in which typing ended last, and when (monotonic seconds).
    """

    indicators: dict[str, Indicator] = field(default_factory=dict)
    ended: tuple[str, float] = ("", 0.0)
