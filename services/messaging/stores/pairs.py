"""A pair of users: the id of their conversation, and the lock for changes of what they share."""

import uuid
from typing import Final, NamedTuple

import asyncpg

_CONVERSATIONS: Final = uuid.UUID("5a0c7d0e-8a43-5d8f-9c55-4b1f6c0f3a21")
"""Namespace of conversation ids (RFC 9562, section 5.5). Never change it: all conversation ids are derived from it."""


class Pair(NamedTuple):
    """Two users, the lower id first. PostgreSQL and Python sort UUIDs in the same order."""

    low: str
    high: str

    @property
    def conversation_id(self) -> str:
        """Return the id of their direct conversation. It depends only on the two users."""
        return str(uuid.uuid5(_CONVERSATIONS, f"{self.low}{self.high}"))


def pair_of(one: str, other: str) -> Pair:
    """Return the pair of two different users."""
    return Pair(one, other) if one < other else Pair(other, one)


async def lock(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", pair: Pair) -> None:
    """Lock the pair until the transaction ends: nobody else can create its conversation, block or unblock meanwhile."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", pair.conversation_id)
