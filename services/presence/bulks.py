"""The statuses of friends that a new connection gets, in parts that keep a Redis server busy for a short time only."""

from typing import Final

import msgspec

CONNECTIONS_PER_BULK: Final = 10
"""Connections of one user for which one script reads the statuses once: as many as a user may have."""
COPIES_PER_READ: Final = 10
"""A script copies so many statuses for a further connection in the time in which it reads one."""


class Bulk(msgspec.Struct, array_like=True, frozen=True):
    """One of the `parts` of the `status.bulk` of a user's connections: friends whose keys lie on one partition.

    `connections`: (gateway id, connection id) of each. `absent`: friends with a block, whom the user sees as offline since the
    block.
    """

    connections: list[tuple[str, str]]
    user_id: str
    friends: list[str]
    absent: list[str]
    parts: int

    @property
    def weight(self) -> int:
        """How long a script takes for it, as the number of users that it could read."""
        users = len(self.friends) + len(self.absent)
        return 1 + users + (len(self.connections) - 1) * users // COPIES_PER_READ
