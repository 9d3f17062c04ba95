"""The scenarios by name: what each measures says its module."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from tools.bench import (
    changes,
    churn,
    connect,
    conversations,
    day,
    fixed_rate,
    friends,
    history,
    idle,
    nobody,
    saturated,
    storm,
)
from tools.bench.bench import Bench
from tools.bench.outcome import Outcome

Scenario = Callable[[Bench], Awaitable[Outcome]]

SCENARIOS: Final[dict[str, Scenario]] = {
    "nobody": nobody.run,
    # Early, because a process reuses freed memory for later connections, which would then seem to need none.
    "idle": idle.run,
    "connect": connect.run,
    "list": conversations.run,
    "saturated": saturated.run,
    "200": partial(fixed_rate.run, rate=200),
    "2000": partial(fixed_rate.run, rate=2000),
    "edit": changes.edits,
    "reaction": changes.reactions,
    "churn": churn.run,
    "friends": friends.run,
    "history": history.run,
    "day": day.run,
    "storm": storm.run,
}
BASELINE: Final = ("nobody", "idle", "connect", "list", "saturated", "200", "2000", "friends", "history", "day")
"""The scenarios that the hand-written app can run too."""
MESSAGES: Final[tuple[str, ...]] = ("saturated", "200", "2000")
"""The scenarios that another chat server can run too."""
