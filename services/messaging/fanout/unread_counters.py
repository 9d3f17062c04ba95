"""The unread counters that a cycle changes, in the layout of the fan-out script (`lua/effects.lua`)."""

from collections.abc import Mapping

from shared.protocol import keys
from shared.redis import Key


class UnreadCounters:
    """The unread counters that events change: keys and indexes for the fan-out script.

    `key` makes full keys of their partition.
    """

    __slots__ = ("_key", "flat", "supplied", "totals", "users")

    def __init__(self, key: Key) -> None:
        self._key = key
        self.totals: list[str] = []
        self.users: list[str] = []
        self.flat: list[str | int] = []
        self.supplied: list[int] = []

    def add_total(self, user_id: str) -> int:
        """Add a user's total, and return its index, from 1."""
        self.totals.append(self._key(keys.UNREAD_TOTAL, user_id))
        self.users.append(user_id)
        return len(self.totals)

    def supply(self, totals: Mapping[str, int]) -> None:
        """Supply PostgreSQL's totals of users without counts in Redis. Events show these totals, and change no counter."""
        for place, user_id in enumerate(self.users, 1):
            if user_id in totals:
                self.supplied += (place, totals[user_id])

    def add(self, user_id: str, conversation_id: str, total: int) -> int:
        """Add a user's counter in a conversation, and return its index, from 1. It is part of the total with index `total`."""
        self.flat += (
            self._key(keys.UNREAD_CONVERSATION, user_id, conversation_id),
            self._key(keys.UNREAD_VERSION, user_id, conversation_id),
            total,
        )
        return len(self.flat) // 3
