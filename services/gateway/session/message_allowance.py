"""What a gateway knows of a user's message budget. With it, most sends pass without asking Redis.

docs/decisions/0041-sends-that-redis-is-not-asked-about.md says why that is correct.
"""

from typing import Final

from services.gateway.transport.frames import Burst
from shared.protocol import server

_SENT: Final = f'{{"type":"{server.MessageSent.__struct_config__.tag}"'.encode()
"""Every `message.sent` begins with this; all connections of a sender get it."""
SHARE: Final = 0.25
"""This share of the budget passes without asking."""


class MessageAllowance:
    """The budget that Redis returned, minus what was sent here since. The user's connections at this gateway share it.

    It is valid as long as no other gateway spends from the budget. Each message of the user comes down to all the user's
    connections as `message.sent`; one that was not sent here ends the allowance. `era`: the era of the counts in Redis
    (`UserBudgets.era`). Times are monotonic seconds.
    """

    __slots__ = ("_expected", "_offset", "_whole_at", "era")

    def __init__(self, sent: int, whole_at: float, era: int) -> None:
        self._expected = sent
        self._whole_at = whole_at
        self._offset = 0
        self.era = era

    def spend(self, count: int, now: float, interval: float, most: int) -> bool:
        """Spend `count` without asking. Returns False, and spends nothing, when more than `SHARE` of the budget would be used.

        `interval`: seconds until one more is allowed; `most`: how many are allowed at once.
        """
        whole_at = max(self._whole_at, now) + count * interval
        if whole_at - now > most * interval * SHARE:
            return False
        self._whole_at = whole_at
        self._expected += count
        return True

    def covers(self, burst: Burst) -> bool:
        """Return whether every `message.sent` among these events belongs to a message that was sent here."""
        last = burst.events[-1].offset
        if last > self._offset:
            self._offset = last
            for text in burst.texts:
                if text.startswith(_SENT):
                    self._expected -= 1
        return self._expected >= 0
