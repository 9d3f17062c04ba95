"""What a gateway knows of a user's message budget: most sends pass by that, and Redis isn't asked.

docs/decisions/0041-sends-that-redis-is-not-asked-about.md says why that is right.
"""

from typing import Final

from services.gateway.transport.frames import Burst
from shared.protocol import server

_SENT: Final = f'{{"type":"{server.MessageSent.__struct_config__.tag}"'.encode()
"""The beginning of every `message.sent`, which all connections of a sender get."""
SHARE: Final = 0.25
"""Of the budget, this much passes without a question."""


class MessageAllowance:
    """The budget as Redis told it, less what was sent here since. All connections that the user has here share it.

    It holds as long as nobody else spends of the budget: every message of the user comes down to each of the user's
    connections as `message.sent`, and one that was not sent here ends it. `era`: of the counts in Redis (`UserBudgets.era`).
    Seconds are monotonic.
    """

    __slots__ = ("_expected", "_offset", "_whole_at", "era")

    def __init__(self, sent: int, whole_at: float, era: int) -> None:
        self._expected = sent
        self._whole_at = whole_at
        self._offset = 0
        self.era = era

    def spend(self, count: int, now: float, interval: float, most: int) -> bool:
        """Send `count` without asking. False, and nothing is spent, when more than `SHARE` of the budget would be used.

        `interval`: seconds until one more is allowed; `most`: how many are allowed at once.
        """
        whole_at = max(self._whole_at, now) + count * interval
        if whole_at - now > most * interval * SHARE:
            return False
        self._whole_at = whole_at
        self._expected += count
        return True

    def covers(self, burst: Burst) -> bool:
        """Events come down, to each connection: whether all that were sent among them were sent here."""
        last = burst.events[-1].offset
        if last > self._offset:
            self._offset = last
            self._expected -= sum(text.startswith(_SENT) for text in burst.texts)
        return self._expected >= 0
