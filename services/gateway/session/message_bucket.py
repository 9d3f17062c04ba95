"""A gateway's own copy of a user's token bucket for messages. With it, most sends pass without asking Redis.

docs/decisions/0041-sends-that-redis-is-not-asked-about.md says why that is correct.
"""

from typing import Final

from services.gateway.transport.frames import Burst
from shared.protocol import server

_SENT: Final = f'{{"type":"{server.MessageSent.__struct_config__.tag}"'.encode()
"""Every `message.sent` begins with this; all connections of a sender get it."""
LOCAL_SHARE: Final = 0.25
"""At most this share of the bucket may be spent without asking Redis."""


class MessageBucket:
    """The bucket as Redis returned it, minus what was sent here since. The user's connections at this gateway share it.

    It is valid as long as no other gateway takes from the bucket. Each message of the user comes down to all the user's
    connections as `message.sent`; one that was not sent here makes this copy invalid. `generation`: that of the counts in Redis
    (`UserBudgets.generation`). `full_at`: when the bucket is full again. Times are monotonic seconds.
    """

    __slots__ = ("_expected", "_full_at", "_offset", "generation")

    def __init__(self, sent: int, full_at: float, generation: int) -> None:
        self._expected = sent
        self._full_at = full_at
        self._offset = 0
        self.generation = generation

    def take(self, count: int, now: float, interval: float, burst: int) -> bool:
        """Take `count` without asking. Returns False, and takes nothing, when more than `LOCAL_SHARE` would then be spent.

        `interval`: seconds until the bucket gets one more; `burst`: how many it holds.
        """
        full_at = max(self._full_at, now) + count * interval
        if full_at - now > burst * interval * LOCAL_SHARE:
            return False
        self._full_at = full_at
        self._expected += count
        return True

    def all_sent_here(self, delivered: Burst) -> bool:
        """Return whether every `message.sent` among these events belongs to a message that was sent here."""
        last = delivered.events[-1].offset
        if last > self._offset:
            self._offset = last
            for text in delivered.texts:
                if text.startswith(_SENT):
                    self._expected -= 1
        return self._expected >= 0
