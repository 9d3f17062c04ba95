"""Erases what messaging stores about a user, a bounded part with each request."""

import time
from collections.abc import Sequence
from typing import Final

from services.messaging.cycle import Cycle
from services.messaging.fanout.event_builders import open_event
from services.messaging.fanout.fanout import Fanout
from services.messaging.fanout.user_events import NOBODY
from services.messaging.handlers import Handlers
from services.messaging.server_api.user_data import UserConversation, UserData
from services.messaging.stores.blocks import Blocks
from shared.protocol import keys
from shared.protocol.payloads import UserDeletedPayload
from shared.protocol.relay import CommandBatch, DeleteMessage
from shared.protocol.requests import Done
from shared.protocol.server import UserDeleted
from shared.redis import Partitions

BATCH: Final = 100
"""Messages that one step deletes, or blocks that it lifts."""
PART_SECONDS: Final = 1.0
"""After this time a request begins no further step. Its caller waits for 10 s at most, and stores how far it came."""
_BLOCKS: Final = "blocks:"
"""Prefix of the position of the last block that is done. Blocks come after all conversations."""
_OF_USER: Final = (
    keys.INBOX,
    keys.INBOX_OFFSET,
    keys.INBOX_BYTES,
    keys.INBOX_LARGE,
    keys.INBOX_CLEARED,
    keys.UNREAD_TOTAL,
    keys.PROGRESS,
    keys.BLOCKED,
    keys.RATE,
    keys.INACTIVE,
)
"""Redis keys of messaging that hold data of one user."""


class Erasure:
    """Deletes a user's messages as the user would, so that the others' devices, counts and quotes are updated."""

    def __init__(
        self, partitions: Partitions, data: UserData, blocks: Blocks, handlers: Handlers, fanout: Fanout, cycle: Cycle
    ) -> None:
        self._partitions = partitions
        self._data = data
        self._blocks = blocks
        self._handlers = handlers
        self._fanout = fanout
        self._cycle = cycle

    async def erase(self, user_id: str, page: str, again: bool) -> Done:
        """Erase a part, for about a second. `page`: the last conversation that is done, and then the last block.

        Raises what the backends raise, and may be repeated. `again`: the request may have been begun before. What its last step
        stored may then not be announced yet.
        """
        return await self._fanout.until_current(lambda repeated: self._erase(user_id, page, again or repeated))

    async def _erase(self, user_id: str, page: str, again: bool) -> Done:
        end = time.monotonic() + PART_SECONDS
        is_first = True
        while True:
            done = await self._step(user_id, page, again and is_first)
            if not done.more or time.monotonic() >= end:
                return done
            is_first, page = done.page != page, done.page

    async def _step(self, user_id: str, page: str, again: bool) -> Done:
        """Erase a bounded part. `again`: the step begins a conversation in which the request may have done something before."""
        if page.startswith(_BLOCKS):
            return await self._lift_blocks(user_id, page.removeprefix(_BLOCKS))
        found = await self._data.conversation_after(user_id, page)
        if found is None:
            return Done(more=True, page=_BLOCKS)
        if again and (seqs := await self._data.last_deleted(user_id, found.conversation_id, BATCH)):
            await self._delete(user_id, found.conversation_id, seqs, again=True)
        seqs = await self._data.own_messages(user_id, found.conversation_id, BATCH)
        if seqs:
            await self._delete(user_id, found.conversation_id, seqs, again=False)
            return Done(more=True, page=page)
        await self._data.close(user_id, found.conversation_id)
        if await self._data.own_messages(user_id, found.conversation_id, 1):
            # Sent before the user was erased, and stored since the first look. Nothing can follow it any more.
            return Done(more=True, page=page)
        await self._tell_other(user_id, found)
        return Done(more=True, page=found.conversation_id)

    async def _delete(self, user_id: str, conversation_id: str, seqs: Sequence[int], *, again: bool) -> None:
        commands = [DeleteMessage(user_id, "", conversation_id, seq, None) for seq in seqs]
        batch = CommandBatch("", 0, list(commands), again)
        effects = self._fanout.effects("")
        await self._handlers.changes.delete([(batch, place, each) for place, each in enumerate(commands)], effects)
        await self._cycle.publish(effects)

    async def _tell_other(self, user_id: str, found: UserConversation) -> None:
        """Remove a closed conversation from Redis, and tell the other participant."""
        conversation_id = found.conversation_id
        await self._fanout.eraser.erase_person(found.other(user_id), user_id)
        effects = self._fanout.effects("")
        told = UserDeleted(UserDeletedPayload(user_id, conversation_id))
        effects.events_for(found.other(user_id)).add(open_event(told), NOBODY)
        await self._cycle.publish(effects)
        partition = self._partitions.of(user_id)
        await partition.client.delete(
            partition.key(keys.UNREAD_CONVERSATION, user_id, conversation_id),
            partition.key(keys.UNREAD_VERSION, user_id, conversation_id),
        )

    async def _lift_blocks(self, user_id: str, after: str) -> Done:
        """Lift blocks, so that nobody's conversations stay blocked. After the last one, delete the rest."""
        found = await self._data.blocks(user_id, after, BATCH)
        for block in found:
            if block.active:
                await self._blocks.set(block.blocker, block.blocked, active=False)
        if len(found) == BATCH:
            return Done(more=True, page=f"{_BLOCKS}{found[-1].position}")
        await self._finish(user_id)
        return Done()

    async def _finish(self, user_id: str) -> None:
        """Delete the rest."""
        await self._data.forget(user_id)
        partition = self._partitions.of(user_id)
        for prefix in _OF_USER:
            await partition.client.delete(partition.key(prefix, user_id))
