"""The unread counters that a cycle changes, laid out as the fan-out script reads them (`lua/fanout.lua`)."""

from collections.abc import Mapping

from shared.protocol import keys
from shared.redis import Key


class UnreadCounters:
    """The unread counters that events change: keys and places, as the fan-out script reads them.

    `key` makes whole keys of the partition that they lie in.
    """

    __slots__ = ("_key", "flat", "supplied", "totals", "users")

    def __init__(self, key: Key) -> None:
        self._key = key
        self.totals: list[str] = []
        self.users: list[str] = []
        self.flat: list[str | int] = []
        self.supplied: list[int] = []

    def add_total(self, user_id: str) -> int:
        """The place, from 1, of a user's total."""
        self.totals.append(self._key(keys.UNREAD_TOTAL, user_id))
        self.users.append(user_id)
        return len(self.totals)

    def supply(self, totals: Mapping[str, int]) -> None:
        """Users' totals by PostgreSQL, whose counts are not in Redis yet: events show these, and change none."""
        for place, user_id in enumerate(self.users, 1):
            if user_id in totals:
                self.supplied += (place, totals[user_id])

    def add(self, user_id: str, conversation_id: str, total: int) -> int:
        """The place, from 1, of a user's counter in a conversation, which is part of `total`."""
        self.flat += (
            self._key(keys.UNREAD_CONVERSATION, user_id, conversation_id),
            self._key(keys.UNREAD_VERSION, user_id, conversation_id),
            total,
        )
        return len(self.flat) // 3
