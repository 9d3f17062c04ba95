"""Writes an inbox again, with some events changed.

An entry of a stream can't be changed, and a removed one leaves its bytes in the stream's node. So the entries are copied to a
second stream, which then takes the inbox's place. An inbox may have 4 MiB, which a single script would read and write in 40 ms.
So it is read and copied in parts, and Redis serves others between them.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final

from shared.protocol import keys
from shared.protocol.codec import msgpack_encoder
from shared.redis import Partition, Script

PART_BYTES: Final = 64 * 1024
"""Bytes of texts in a part, which takes Redis about a millisecond. A part goes on to the next fourth entry."""
MAX_REST_SECONDS: Final = 0.01
"""After each part Redis serves others for as long as the part took, but no longer than this."""
LOCK_MS: Final = 2_000
"""A lock is kept for so long after each part that was read or copied: a replica that is killed holds others up no longer."""
WAIT_SECONDS: Final = 5.0
"""Longest wait for the lock."""
PAUSE_SECONDS: Final = 0.02

_FIND: Final = Script("services.messaging.fanout", "find_entries")
_COPY: Final = Script("services.messaging.fanout", "copy_entries")
_UNLOCK: Final = Script("services.messaging.fanout", "unlock_inbox")
_ANY: Final = -1


@dataclass(frozen=True, slots=True)
class History:
    """What an event may show: its text contains `contained`, and matches `pattern` (a Lua pattern).

    It also has any of `seqs`, if there are any, or its first seq is at most `newest`, unless that is None.
    """

    contained: str
    pattern: str = ""
    seqs: tuple[int, ...] = ()
    newest: int | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """Ends with the entry `last`, or '' for the newest one. `found`: entry id → text."""

    last: str
    found: dict[str, str]


class InboxRewriting:
    """A user's inbox, which nobody else writes again meanwhile."""

    def __init__(self, partition: Partition, user_id: str) -> None:
        self._partition = partition
        self._user_id = user_id
        self._token = secrets.token_hex(8)

    @classmethod
    @asynccontextmanager
    async def of(cls, partition: Partition, user_id: str) -> AsyncIterator["InboxRewriting"]:
        """Lock a user's inbox. Raises RedisError, and TimeoutError after `WAIT_SECONDS`."""
        rewriting = cls(partition, user_id)
        await rewriting._lock()
        try:
            yield rewriting
        finally:
            await _UNLOCK(partition, user_id, rewriting._token)

    async def change(self, shown: Sequence[History], change: Callable[[str], str], *, own: bool = False) -> None:
        """Change the texts of the events that show any of this history.

        `own`: the new text is an event of its own, which has no peer and no unread total. Raises RedisError, or TimeoutError when
        the lock is lost. Then nothing is changed, and it can be repeated.
        """
        parts = [part async for part in self._parts(shown)]
        changes = [{id_: new for id_, text in part.found.items() if (new := change(text)) != text} for part in parts]
        if not any(changes):
            return
        sizes = msgpack_encoder.encode(
            [item for part in changes for id_, text in part.items() for item in (_offset(id_), len(text.encode()))]
        )
        after = ""
        for part, changed in zip(parts, changes, strict=True):
            texts = msgpack_encoder.encode([item for id_, text in changed.items() for item in (id_, text, own)])
            copied = await self._copy(after, part.last, texts, sizes)
            after = part.last
        while copied:
            copied = await self._copy(copied, "", texts, sizes)

    async def _lock(self) -> None:
        name = self._partition.key(keys.INBOX_LOCK, self._user_id)
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                if await self._partition.client.set(name, self._token, nx=True, px=LOCK_MS):
                    return
                await asyncio.sleep(PAUSE_SECONDS)

    async def _parts(self, shown: Sequence[History]) -> AsyncIterator[_Part]:
        rules = [
            (each.contained, each.pattern, each.seqs, _ANY if each.newest is None else each.newest) for each in shown
        ]
        encoded = msgpack_encoder.encode(rules)
        after = ""
        while True:
            async with _resting():
                answer = await _FIND(self._partition, self._user_id, after, PART_BYTES, encoded, self._token, LOCK_MS)
            if answer is None:
                raise TimeoutError("another rewriting of the inbox has begun")
            last, *found = answer
            after = last.decode()
            yield _Part(after, {id_.decode(): text.decode() for id_, text in zip(found[::2], found[1::2], strict=True)})
            if not after:
                return

    async def _copy(self, after: str, last: str, texts: bytes, sizes: bytes) -> str:
        """Copy a part. Returns the id of its last entry, or '' when the copy has taken the inbox's place."""
        async with _resting():
            copied = await _COPY(
                self._partition,
                self._user_id,
                self._token,
                after,
                last,
                PART_BYTES,
                texts,
                sizes,
                LOCK_MS,
            )
        if copied is None:
            raise TimeoutError("another rewriting of the inbox has begun, or the inbox is a new one")
        return str(copied.decode())


@asynccontextmanager
async def _resting() -> AsyncIterator[None]:
    """Give Redis to others after a call, so that a rewriting takes at most half of it."""
    began = monotonic()
    yield
    await asyncio.sleep(min(monotonic() - began, MAX_REST_SECONDS))


def _offset(entry_id: str) -> str:
    return entry_id.partition("-")[0]
