"""The frequent reads as JSON: the list of conversations, and their histories."""

from collections.abc import Collection, Sequence
from typing import Any

from services.messaging.conversation_views import AT_ONCE, ConversationViews
from services.messaging.rest.history import Position, read_page
from services.messaging.rest.schemas import HistoryQuery, ListQuery
from services.messaging.stores.conversation_list import FIRST, ConversationList, Filters, ListPage, decode, encode
from services.messaging.stores.history import History
from shared.auth import Principal
from shared.protocol import limits
from shared.protocol.codec import json_encoder
from shared.protocol.conversations import Conversation
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.rest.direct import UUID, DirectRoute
from shared.rest.json import page_of


class Reads:
    """Answers the frequent reads. Every method returns JSON, and raises ProtocolError and what asyncpg raises."""

    def __init__(self, lists: ConversationList, views: ConversationViews, history: History) -> None:
        self._lists = lists
        self._history = history
        self.views = views

    def routes(self) -> list[DirectRoute[Any]]:
        """Return their routes."""
        return [
            DirectRoute(f"/chat/conversations/{UUID}/messages", HistoryQuery, self.history),
            DirectRoute("/chat/conversations", ListQuery, self._list),
        ]

    async def history(self, user: Principal, conversation_id: str, query: HistoryQuery) -> bytes:
        """Return messages by ascending seq."""
        position = Position.of(query)
        page = await read_page(self._history, user.user_id, conversation_id.lower(), position, query.limit)
        if page is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        return page

    async def list(self, user: Principal, query: ListQuery) -> bytes:
        """Return the user's conversations."""
        filters, page = Filters(query.archived, query.unread, query.pinned), decode(query.page)
        views, following = await self._part(user.user_id, filters, query.limit, page)
        items = {view.id: json_encoder.encode(view) for view in views}
        shown = list(items)
        room = _fitting(items.values())
        if room < len(shown):
            # Where the next page begins depends on the last conversation of this one. A conversation may have moved meanwhile.
            shown, following = await self._lists.page(user.user_id, filters, room, page)
            for view in await self.views.of(user.user_id, [each for each in shown if each not in items]):
                items[view.id] = json_encoder.encode(view)
        return page_of([items[each] for each in shown if each in items], encode(following))

    async def _part(
        self, user_id: str, filters: Filters, limit: int, page: ListPage
    ) -> tuple[Sequence[Conversation], ListPage | None]:
        """Return a page of the list, and where the next one begins."""
        if page == FIRST and filters.unread is None and limit <= AT_ONCE:
            rows, following = await self._lists.first_shown(user_id, filters, limit)
            return self.views.views(user_id, rows), following
        ids, following = await self._lists.page(user_id, filters, limit, page)
        return await self.views.of(user_id, ids), following

    async def _list(self, user: Principal, _nothing: str, query: ListQuery) -> bytes:
        return await self.list(user, query)


def _fitting(items: Collection[bytes]) -> int:
    """Return how many of the first items one page has room for, at least one."""
    size = 0
    for place, item in enumerate(items):
        size += len(item)
        if place and size > limits.MAX_PAGE_BYTES:
            return place
    return len(items)
