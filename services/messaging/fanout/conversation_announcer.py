"""Announces a user's settings of a conversation, or that it was cleared, to all of that user's connections."""

import asyncio
from typing import Final

import structlog

from services.messaging.conversation_views import ConversationViews
from services.messaging.fanout.event_builders import open_event
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.user_events import NOBODY
from services.messaging.stores.conversations import Cleared
from services.messaging.stores.unread import UnreadCounts
from shared.protocol import keys
from shared.protocol.conversations import (
    Conversation,
    ConversationClearedPayload,
    ConversationUpdatedPayload,
)
from shared.protocol.server import ConversationCleared, ConversationUpdated
from shared.redis import Partitions

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5
DELIVERY_SECONDS: Final = 2.0
"""Longest time between storing a message and its delivery to inboxes. If it takes longer, the replica has died."""


class ConversationAnnouncer:
    """Sends `conversation.updated` and `conversation.cleared`. Raises what asyncpg and redis raise; repeating is harmless."""

    def __init__(self, views: ConversationViews, fanout: Fanout, counts: UnreadCounts, partitions: Partitions) -> None:
        self._views = views
        self._fanout = fanout
        self._counts = counts
        self._partitions = partitions

    async def updated(self, user_id: str, conversation_id: str) -> Conversation | None:
        """Announce the current state of the conversation, and return it. None when the user isn't a participant.

        When the settings changed again meanwhile, they are announced again, so that the last event always has the current state.
        """
        view = await self._views.find(user_id, conversation_id)
        for _ in range(ATTEMPTS):
            if view is None:
                return None
            effects = self._fanout.effects()
            event = ConversationUpdated(ConversationUpdatedPayload(view))
            effects.events_for(user_id).add(open_event(event), NOBODY)
            await self._fanout.deliver(effects)
            announced, view = view, await self._views.find(user_id, conversation_id)
            if view is None or view.me == announced.me:
                return announced
        return view

    async def cleared(self, user_id: str, conversation_id: str, cleared: Cleared) -> None:
        """Announce that everything up to a seq is hidden, and remove it from the inbox, so that no replay shows it."""
        await self._counts.clear(user_id, conversation_id, cleared.version)
        delivered = await self._is_delivered(conversation_id, cleared.seq)
        event = open_event(ConversationCleared(ConversationClearedPayload(conversation_id, cleared.seq)))
        await self._fanout.eraser.clear(user_id, conversation_id, cleared.seq, event.decode(), delivered=delivered)
        effects = self._fanout.effects()
        effects.events_for(user_id).add(event, NOBODY)
        await self._fanout.deliver(effects)

    async def _is_delivered(self, conversation_id: str, seq: int) -> bool:
        """Wait until messages up to `seq` are in the inboxes. Returns False when they are not after `DELIVERY_SECONDS`.

        Without recent messages, Redis has no entry to wait for.
        """
        partition = self._partitions.of(conversation_id)
        key = partition.key(keys.DELIVERED, conversation_id)
        pause, waited = 0.005, 0.0
        while waited < DELIVERY_SECONDS:
            delivered = await partition.client.get(key)
            if delivered is None or int(delivered) >= seq:
                return True
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, 0.1)
        log.warning("clear.not_announced", conversation_id=conversation_id, seq=seq)
        return False
