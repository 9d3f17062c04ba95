"""A pair of users: whose direct conversation it is, and who may change what the two share."""

import uuid
from typing import Final, NamedTuple

import asyncpg

_CONVERSATIONS: Final = uuid.UUID("5a0c7d0e-8a43-5d8f-9c55-4b1f6c0f3a21")
"""Namespace of conversation ids (RFC 9562, section 5.5). Never change it: the ids of all conversations come from it."""


class Pair(NamedTuple):
    """Two users, the lower id first: PostgreSQL and Python order UUIDs alike."""

    low: str
    high: str

    @property
    def conversation_id(self) -> str:
        """The id of their direct conversation: the same whoever makes it, and however often."""
        return str(uuid.uuid5(_CONVERSATIONS, f"{self.low}{self.high}"))


def pair_of(one: str, other: str) -> Pair:
    """The pair of two different users."""
    return Pair(one, other) if one < other else Pair(other, one)


async def lock(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", pair: Pair) -> None:
    """Let nobody else make this pair's conversation, block or unblock, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", pair.conversation_id)
