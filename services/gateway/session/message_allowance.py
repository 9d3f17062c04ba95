"""What a connection knows of its user's message budget: most sends pass by that, and Redis isn't asked.

docs/decisions/0041-sends-that-redis-is-not-asked-about.md says why that is right.
"""

from collections.abc import Iterable
from typing import Final

from shared.protocol import server

_SENT: Final = f'{{"type":"{server.MessageSent.__struct_config__.tag}"'.encode()
"""The beginning of every `message.sent`, which all connections of a sender get."""


class MessageAllowance:
    """The budget as Redis told it, less what the connection has sent since. Seconds are monotonic.

    It holds as long as nobody else spends of the budget: every message of the user comes down to each of the user's
    connections as `message.sent`, and one that this connection didn't send ends the allowance. `era`: of the counts in Redis
    (`UserBudgets.era`).
    """

    __slots__ = ("_expected", "_whole_at", "era")

    def __init__(self, sent: int, whole_at: float, era: int) -> None:
        self._expected = sent
        self._whole_at = whole_at
        self.era = era

    def spend(self, count: int, now: float, interval: float, most: int) -> bool:
        """Send `count` without asking. False, and nothing is spent, when less than half of the budget would be left.

        So two connections that spend at the same instant don't go beyond the budget together. `interval`: seconds for one.
        """
        whole_at = max(self._whole_at, now) + count * interval
        if whole_at - now > most * interval / 2:
            return False
        self._whole_at = whole_at
        self._expected = count
        return True

    def covers(self, texts: Iterable[bytes]) -> bool:
        """Events come down: whether all that were sent among them were sent here."""
        for text in texts:
            if text.startswith(_SENT):
                self._expected -= 1
        return self._expected >= 0
