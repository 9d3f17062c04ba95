"""Changes of stored messages: edits, deletions and reactions, each kind in one statement for a whole batch."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, TypeVar

from services.messaging.stores.sql import DELETE, EDIT, REACT
from services.messaging.stores.webhook_events import messages_deleted, messages_updated, places_of_deleted
from shared.postgres import Pool
from shared.protocol import limits
from shared.protocol.relay import DeleteMessage, EditMessage, SetReaction
from shared.protocol.text import is_blank
from shared.uploads import claims
from shared.webhooks import NO_WEBHOOKS, Outbox

STALE: Final = "stale"
"""The verdict of a row whose conversation changed while the statement waited for its lock. The row is tried again."""

_ENVELOPE_BYTES: Final = len('{"content":,"media":,"metadata":}')

C = TypeVar("C", EditMessage, DeleteMessage, SetReaction)
R = TypeVar("R", "Edited", "Deleted", "Reacted")


class Edited(NamedTuple):
    """The result of an edit. `verdict`: edited, repeated, or the reason of a refusal.

    `content` and `edited_at` are the current ones. `version`: the conversation's after the change. `blocked`: the other side is
    not told.
    """

    verdict: str
    content: str | None
    edited_at: datetime | None
    message_id: str
    created_at: datetime
    other_id: str
    version: int
    blocked: bool


class Deleted(NamedTuple):
    """The result of a deletion. `verdict`: deleted, repeated, or the reason of a refusal.

    `unread`: how many messages the other participant has not read. `was_unread`: this was one of them.
    """

    verdict: str
    deleted_at: datetime
    message_id: str
    created_at: datetime
    other_id: str
    unread: int
    was_unread: bool
    version: int
    blocked: bool


class Reacted(NamedTuple):
    """The result of a reaction.

    `verdict`: changed, repeated, or the reason of a refusal. `active`, since `at`: the current state.
    """

    verdict: str
    active: bool
    at: datetime
    other_id: str
    version: int
    blocked: bool


class Changes:
    """Changes messages. Every method raises what asyncpg raises, and returns one result for each command, in order.

    Commands about the same message run one after another.
    """

    def __init__(self, pool: Pool, edit_window_seconds: float, outbox: Outbox = NO_WEBHOOKS) -> None:
        self._pool = pool
        self._outbox = outbox
        self._edit_window_seconds = edit_window_seconds

    async def edit(self, edits: Sequence[tuple[EditMessage, str]]) -> list[Edited]:
        """Replace contents. Each edit comes with its idempotency key."""
        keys = {id(command): key for command, key in edits}

        async def run(commands: Sequence[EditMessage]) -> list[Edited]:
            given = (
                *_places(commands),
                [command.content for command in commands],
                [is_blank(command.content) for command in commands],
                [keys[id(command)] for command in commands],
                self._edit_window_seconds,
                limits.MAX_STORED_EVENT_BYTES - _ENVELOPE_BYTES,
            )
            rows = await self._outbox.fetch(self._pool, EDIT, given, partial(messages_updated, commands))
            return [Edited(*row) for row in rows]

        return await _in_rounds([command for command, _ in edits], run)

    async def delete(self, commands: Sequence[DeleteMessage]) -> list[Deleted]:
        """Delete messages for everybody, and detach their uploads in the same transaction."""

        async def run(commands: Sequence[DeleteMessage]) -> list[Deleted]:
            told, gone = partial(messages_deleted, commands), partial(places_of_deleted, commands)
            async with self._pool.acquire() as connection, connection.transaction():
                rows = await self._outbox.fetch(connection, DELETE, _places(commands), told, gone)
                await claims.release(connection, gone(rows))
            return [Deleted(*row) for row in rows]

        return await _in_rounds(commands, run)

    async def react(self, commands: Sequence[SetReaction]) -> list[Reacted]:
        """Set or remove reactions."""

        async def run(commands: Sequence[SetReaction]) -> list[Reacted]:
            rows = await self._pool.fetch(
                REACT,
                *_places(commands),
                [command.emoji for command in commands],
                [command.active for command in commands],
                [command.at_ms for command in commands],
                limits.MAX_REACTIONS_PER_USER,
            )
            return [Reacted(*row) for row in rows]

        return await _in_rounds(commands, run)


def _places(commands: Sequence[C]) -> tuple[list[str], list[str], list[int]]:
    return [c.user_id for c in commands], [c.conversation_id for c in commands], [c.seq for c in commands]


async def _in_rounds(commands: Sequence[C], run: Callable[[Sequence[C]], Awaitable[list[R]]]) -> list[R]:
    """Run commands in statements that have each message once.

    Stale rows, and later commands about the same messages, go into the next.
    """
    results: dict[int, R] = {}
    waiting = list(range(len(commands)))
    while waiting:
        taken = first_of_each_message([commands[place] for place in waiting])
        places = [waiting[index] for index in taken]
        answers = zip(places, await run([commands[place] for place in places]), strict=True)
        results |= {place: result for place, result in answers if result.verdict != STALE}
        waiting = [place for place in waiting if place not in results]
    return [results[place] for place in range(len(commands))]


def first_of_each_message(commands: Sequence[C]) -> list[int]:
    """Return the indexes of the first command about each message."""
    seen: dict[tuple[str, int], int] = {}
    for place, command in enumerate(commands):
        seen.setdefault((command.conversation_id, command.seq), place)
    return list(seen.values())
