"""A user's list of conversations, in pages that miss no conversation while conversations move."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from services.messaging.stores.sql import CONVERSATION_LIST, CONVERSATION_MOVES, SHOWN_LIST
from shared.postgres import KeptConnections, Pool
from shared.protocol.codec import Uuid, is_uuid
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest import decode_page, encode_page

AT_ONCE: Final = 2
"""Connections that are kept for lists."""
SCANNED: Final = 1_000
"""Conversations that one page with a filter by unread messages reads.

Such a page may be short or empty although the list goes on.
"""


class Filters(NamedTuple):
    """Which conversations: archived or not, and of these with or without unread messages, pinned or not."""

    archived: bool = False
    unread: bool | None = None
    pinned: bool | None = None

    @property
    def places(self) -> tuple[int, int]:
        """Return the least and the greatest place (migration 0011)."""
        first = 2 if self.archived else 4
        return first + (self.pinned is True), first + (self.pinned is not False)


class Place(msgspec.Struct, array_like=True, frozen=True):
    """The position in the list at which a page ends. `at_us`: `updated_at` in Unix microseconds."""

    place: Annotated[int, msgspec.Meta(ge=0, le=5)]
    at_us: int
    conversation_id: Uuid


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """A statement's snapshot: it saw all transactions below `xmin`. `at_us` is its time in Unix microseconds."""

    xmin: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    at_us: int


class ListPage(msgspec.Struct, array_like=True, frozen=True):
    """Where the next page begins.

    The list is read in rounds. The first reads all conversations. Each later one reads those that changed since the snapshot of
    the round before (`since`), because these may have moved past the pages that were read, or into this list. `after`: the end of
    this round's last page; `snapshot`: the one with which this round began. Both are None at the beginning of a round.
    """

    after: Place | None = None
    since: Snapshot | None = None
    snapshot: Snapshot | None = None


_decoder: Final = msgspec.json.Decoder(ListPage)
FIRST: Final = ListPage()
_BEYOND_ALL: Final = (32_767, datetime(9999, 1, 1, tzinfo=UTC), "ffffffff-ffff-ffff-ffff-ffffffffffff")
"""A position before the first row. With nulls instead, «is null or» would keep PostgreSQL from using the index."""


class _Row(NamedTuple):
    conversation_id: str
    place: int
    updated_at: datetime
    fits: bool
    last_scanned: bool
    xmin: int
    at: datetime
    position: int


_LIST_COLUMNS: Final = len(_Row._fields)


class _Part(NamedTuple):
    """The rows of one statement. `end`: where it stopped, or None when there is no more."""

    ids: list[str]
    end: Place | None
    snapshot: Snapshot | None


class ConversationList:
    """The lists of all users. Raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._connections = KeptConnections(pool, AT_ONCE)

    async def page(
        self, user_id: str, filters: Filters, limit: int, page: ListPage
    ) -> tuple[list[str], ListPage | None]:
        """Return at most `limit` conversation ids, pinned ones first, then newest first; and where the next page begins, if
        any.
        """
        part = await self._part(user_id, filters, limit, page.after, page.since)
        snapshot = page.snapshot or part.snapshot
        if part.end is not None:
            return part.ids, ListPage(part.end, page.since, snapshot)
        if page.snapshot is None:
            # The whole round was one statement, so nothing moved in between.
            return part.ids, None
        return await self._with_moved(user_id, filters, limit, part.ids, page.snapshot)

    async def first_shown(
        self, user_id: str, filters: Filters, limit: int
    ) -> tuple[list[tuple[Any, ...]], ListPage | None]:
        """Return the first page with its conversations' contents, in the columns that `ConversationViews.views` takes.

        It is for lists without a filter by unread messages: with one, a page may need more than one statement.
        """
        beginning = (user_id, limit + 1, *filters.places, *_BEYOND_ALL, None, limit + 1)
        rows = [tuple(row) for row in await self._connections.fetch(SHOWN_LIST, *beginning)]
        part = _part_of([_Row(*row[:_LIST_COLUMNS]) for row in rows], limit, filtered=False)
        following = None if part.end is None else ListPage(part.end, None, part.snapshot)
        return [row[_LIST_COLUMNS:] for row in rows[:limit]], following

    async def _with_moved(
        self, user_id: str, filters: Filters, limit: int, ids: list[str], since: Snapshot
    ) -> tuple[list[str], ListPage | None]:
        """Return the last page of a round, filled with the beginning of the next round."""
        room = limit - len(ids)
        moved = await self._part(user_id, filters, max(room, 1), None, since)
        if room == 0:
            return ids, ListPage(None, since, None) if moved.ids or moved.end else None
        shown = ids + [conversation for conversation in moved.ids if conversation not in set(ids)]
        return shown, None if moved.end is None else ListPage(moved.end, since, moved.snapshot)

    async def _part(
        self, user_id: str, filters: Filters, limit: int, after: Place | None, since: Snapshot | None
    ) -> _Part:
        filtered = filters.unread is not None
        rows = [
            _Row(*row)
            for row in await self._connections.fetch(
                CONVERSATION_LIST if since is None else CONVERSATION_MOVES,
                user_id,
                limit + 1,
                *filters.places,
                *(_BEYOND_ALL if after is None else (after.place, _time(after.at_us), after.conversation_id)),
                filters.unread,
                SCANNED if filtered else limit + 1,
                *(() if since is None else (since.xmin, _time(since.at_us))),
            )
        ]
        return _part_of(rows, limit, filtered=filtered)


def _part_of(rows: list[_Row], limit: int, *, filtered: bool) -> _Part:
    """Evaluate the rows of a statement for a page of `limit` conversations."""
    fitting = [row for row in rows if row.fits]
    shown = fitting[:limit]
    end = None
    if len(fitting) > limit:
        end = shown[-1]
    elif filtered and rows and rows[-1].last_scanned:
        end = rows[-1]
    return _Part(
        [row.conversation_id for row in shown],
        None if end is None else Place(end.place, _microseconds(end.updated_at), end.conversation_id),
        Snapshot(rows[0].xmin, _microseconds(rows[0].at)) if rows else None,
    )


def encode(page: ListPage | None) -> str | None:
    """Return the page token that clients send back."""
    return None if page is None else encode_page(msgspec.json.encode(page).decode())


def decode(page: str | None) -> ListPage:
    """Decode a page token; None is the first page. Raises ProtocolError (validation_error) for anything else."""
    if page is None:
        return FIRST
    try:
        decoded = _decoder.decode(decode_page(page))
        for at_us in [place.at_us for place in (decoded.after, decoded.since, decoded.snapshot) if place is not None]:
            _time(at_us)
        genuine = decoded.after is None or is_uuid(decoded.after.conversation_id)
    except (msgspec.DecodeError, ValueError, OverflowError, OSError):
        genuine = False
    if not genuine:
        raise ProtocolError(ErrorCode.VALIDATION_ERROR, "page: must be a nextPage of this list")
    return decoded


def _microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def _time(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC)
