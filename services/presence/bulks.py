"""The statuses of friends that a new connection gets, in parts that keep a Redis server busy for a short time only."""

from collections.abc import Iterable

import msgspec

from services.presence.routes import READ_PER_CALL


class Bulk(msgspec.Struct, array_like=True, frozen=True):
    """One of the `parts` of a connection's `status.bulk`: at most 500 friends whose keys lie on one partition.

    `absent`: friends with a block, whom the user sees as offline since the block.
    """

    gateway_id: str
    connection_id: str
    user_id: str
    friends: list[str]
    absent: list[str]
    parts: int

    @property
    def weight(self) -> int:
        """How many users a script reads for it."""
        return 1 + len(self.friends) + len(self.absent)


def bulk_parts(bulks: Iterable[Bulk]) -> Iterable[list[Bulk]]:
    """Yield bulks, several together as long as their script is short."""
    part: list[Bulk] = []
    weight = 0
    for bulk in bulks:
        part.append(bulk)
        weight += bulk.weight
        if weight >= READ_PER_CALL:
            yield part
            part, weight = [], 0
    if part:
        yield part
