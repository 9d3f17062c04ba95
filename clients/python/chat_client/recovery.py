"""Reads messages by REST that the socket did not bring: single gaps, and everything missed after a reconnect without replay."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, TypeVar

from chat_client.advice import Random, full_jitter
from chat_client.errors import ChatError, ConnectionLost, ServerError
from chat_client.rest import MAX_PAGE, Rest
from chat_client.timeline import Gap, Timeline
from chat_client.wire import Conversation, Message

log = logging.getLogger(__name__)

FIRST_SEQ: Final = 1

T = TypeVar("T")
OnMessage = Callable[[Message], None]
OnMissing = Callable[[Gap], None]
OnUnknown = Callable[[str], None]


class Recovery:
    """Passes found messages to `on_message`, in order.

    It calls `on_missing` for a gap that can't be filled, and `on_unknown` for a conversation whose start can't be found.
    """

    def __init__(
        self,
        rest: Rest,
        timeline: Timeline,
        random: Random,
        on_message: OnMessage,
        on_missing: OnMissing,
        on_unknown: OnUnknown,
    ) -> None:
        self._rest = rest
        self._timeline = timeline
        self._random = random
        self._on_message = on_message
        self._on_missing = on_missing
        self._on_unknown = on_unknown
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resync_wanted = False
        self.is_behind = False
        """Whether the last resync could not read the lists: messages may be missing until another one has."""

    def fill(self, conversation_id: str) -> None:
        """Fill the gaps before a conversation's held messages, in the background."""
        self._start(conversation_id, self._fill_holes)

    def resync(self, since: str) -> None:
        """Bring every conversation up to date, in the background. When it is called meanwhile, it runs once more.

        `since`: the time of the first connection. Older messages of unknown conversations are history.
        """
        self._timeline.settling = True
        self._resync_wanted = True
        self._start("", lambda _: self._resync(since))

    def close(self) -> None:
        """Stop all reading."""
        for task in self._tasks.values():
            task.cancel()

    def _start(self, name: str, work: Callable[[str], Awaitable[None]]) -> None:
        if name in self._tasks:
            return
        task = asyncio.ensure_future(work(name))
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name))

    async def _resync(self, since: str) -> None:
        while self._resync_wanted:
            self._resync_wanted = self.is_behind = False
            try:
                conversations = await self._persist(self._conversations)
            except ServerError as error:
                log.warning("The conversations can't be read: %s", error)
                conversations = []
                self.is_behind = True
            for conversation in conversations:
                await self._catch_up_if_possible(conversation["id"], conversation, since)
            for conversation_id in list(self._timeline.unsettled()):
                # The conversation began after the list was read.
                await self._catch_up_if_possible(conversation_id, None, since)
        self._timeline.settling = False

    async def _catch_up_if_possible(self, conversation_id: str, known: Conversation | None, since: str) -> None:
        """Read a conversation's missing messages. When that fails, its live messages are delivered nevertheless."""
        try:
            conversation = await self._persist(self._conversation(conversation_id)) if known is None else known
            await self._catch_up(conversation, since)
        except ServerError as error:
            log.warning("Conversation %s can't be read: %s", conversation_id, error)
            self._on_unknown(conversation_id)

    def _conversation(self, conversation_id: str) -> Callable[[], Awaitable[Conversation]]:
        return lambda: self._rest.conversation(conversation_id)

    async def _conversations(self) -> list[Conversation]:
        """Return both lists: a message does not unarchive a muted conversation."""
        lists = (self._rest.all_conversations(), self._rest.all_conversations(archived=True))
        return [conversation for each in lists async for conversation in each]

    async def _catch_up(self, conversation: Conversation, since: str) -> None:
        conversation_id, last_seq = conversation["id"], conversation["lastSeq"]
        seen = self._timeline.seen(conversation_id)
        if seen is None:
            seen = await self._persist(lambda: self._start_of(conversation, since))
            self._timeline.track(conversation_id, seen)
        reached = await self._read(conversation_id, seen, last_seq)
        if reached < last_seq:
            self._on_missing(Gap(conversation_id, reached, last_seq + 1))

    async def _start_of(self, conversation: Conversation, since: str) -> int:
        """Return the seq of the last message before `since`, 0 when there is none."""
        last_seq = conversation["lastSeq"]
        if conversation["updatedAt"] < since:
            return last_seq
        before = last_seq + 1
        while before > FIRST_SEQ:
            page = await self._rest.messages(conversation["id"], before_seq=before, limit=MAX_PAGE)
            older = [message["seq"] for message in page if message["createdAt"] < since]
            if older or not page:
                return max(older, default=0)
            before = page[0]["seq"]
        return 0

    async def _fill_holes(self, conversation_id: str) -> None:
        while (gap := self._timeline.gap(conversation_id)) is not None:
            reached = await self._read(conversation_id, gap.after_seq, gap.before_seq - 1)
            if reached < gap.before_seq - 1:
                self._on_missing(Gap(conversation_id, reached, gap.before_seq))

    async def _read(self, conversation_id: str, after_seq: int, last_seq: int) -> int:
        """Read the messages after `after_seq` up to `last_seq`, and pass them on. Returns the last seq that was read."""
        while after_seq < last_seq:
            limit = min(MAX_PAGE, last_seq - after_seq)
            page = await self._page(conversation_id, after_seq, limit)
            if not page:
                break
            for message in page:
                self._on_message(message)
            after_seq = page[-1]["seq"]
        return after_seq

    async def _page(self, conversation_id: str, after_seq: int, limit: int) -> list[Message]:
        try:
            return await self._persist(lambda: self._rest.messages(conversation_id, after_seq=after_seq, limit=limit))
        except ChatError:
            return []

    async def _persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Retry while that can help. Raises ServerError when it can't."""
        for attempt in count():
            delay = full_jitter(attempt, self._random)
            try:
                return await work()
            except ConnectionLost:
                pass
            except ServerError as error:
                if not error.retryable:
                    raise
                delay += error.retry_after or 0.0
            await asyncio.sleep(delay)
        raise AssertionError("unreachable")
