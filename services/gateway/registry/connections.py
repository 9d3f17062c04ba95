"""Routes (which gateway holds a connection) and inboxes in Redis. Each change is one script call."""

import asyncio
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
import uuid_utils

from services.gateway import metrics
from services.gateway.user_budgets import Budget, budget_key, too_many_handshakes
from shared.protocol import limits
from shared.protocol.closing import CloseCode
from shared.protocol.codec import msgpack_encoder
from shared.redis import REDIS_ERRORS, Partitions, Script

log = structlog.get_logger(__name__)

ROUTE_SECONDS: Final = 3600
"""TTL of routes, which `Recovery` extends while connections live. Deliveries to a dead gateway remove its routes much sooner."""
ATTACH_BATCH: Final = 50
PAGE_BYTES: Final = 64 * 1024
"""An inbox is read in parts of about this size. Each is read when the socket has taken the part before it."""
DETACH_BATCH: Final = 500
INACTIVE_SECONDS: Final = 24 * 3600
"""A connection that is inactive for longer counts as active again, until a message that is written to it gets reported."""
RETRY_SECONDS: Final = 1.0

_CURSOR: Final = re.compile(r"[0-9]{1,18}-[0-9]{1,19}", re.ASCII)
_NO_CURSOR: Final = "0-0"
_RESULTS: Final = {1: True, 0: False, -1: None}

_attach = Script("services.gateway.registry", "shared.redis:epoch", "services.gateway:budget", "attach")
_detach = Script("services.gateway.registry", "detach")
_prune = Script("services.gateway.registry", "prune")
_set_active = Script("services.gateway.registry", "set_active")
_renew = Script("services.gateway.registry", "renew")


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """The next part of what an inbox holds after a cursor.

    `recovered`: the inbox holds everything since the cursor (True), it doesn't (False), or the client gave no cursor (None).
    `cursor` is the id of the last entry that was read. `events` are complete JSON texts, oldest first; `more` says that others
    follow. `revoked_at`: tokens of the user that were issued up to this time (Unix seconds) are refused. `missing_friends`: the
    version under which the user's friends must be read from PostgreSQL; None when Redis has them.
    """

    recovered: bool | None
    cursor: str
    events: list[bytes]
    revoked_at: float | None = None
    more: bool = False
    missing_friends: str | None = None

    @property
    def offset(self) -> int:
        """The offset of `cursor` in the inbox."""
        return int(self.cursor.partition("-")[0])

    @property
    def tag(self) -> str:
        """The tag of `cursor`: it distinguishes the entry from one of another epoch with the same offset."""
        return self.cursor.partition("-")[2]

    def revokes(self, issued_at: float) -> bool:
        """Return True when the user's token issued at `issued_at` (Unix seconds) is refused."""
        return self.revoked_at is not None and issued_at <= self.revoked_at


_Item = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Attachment:
    """A new connection that waits for its route. `item` is (user id, connection id, cursor or '', key of its budget or '')."""

    item: _Item
    done: asyncio.Future[RecoveryResult]


class ConnectionRegistry:
    """The routes of this gateway's connections.

    `handshake_bucket`: seconds until a user's bucket gets one more handshake, and how many it holds; None: any number.
    """

    def __init__(
        self,
        partitions: Partitions,
        gateway_id: str,
        connections_per_user: int = limits.MAX_CONNECTIONS_PER_USER,
        inbox_seconds: int = limits.INBOX_SECONDS,
        handshake_bucket: tuple[float, int] | None = None,
    ) -> None:
        self._partitions = partitions
        self._gateway_id = gateway_id
        self._connections_per_user = connections_per_user
        self._inbox_seconds = inbox_seconds
        self._handshake_ms, self._handshakes = 0.0, 0
        if handshake_bucket is not None:
            self._handshake_ms, self._handshakes = handshake_bucket[0] * 1000, handshake_bucket[1]
        self._attaching: list[list[_Attachment]] = [[] for _ in range(len(partitions))]
        self._any_attaching = [asyncio.Event() for _ in range(len(partitions))]
        self._gone: list[tuple[str, str]] = []
        self._states: dict[tuple[str, str], bool] = {}
        self._any_change = asyncio.Event()

    @property
    def idle(self) -> bool:
        """True when no change waits to be written."""
        return not self._gone and not self._states

    async def attach(
        self, user_id: str, connection_id: str, cursor: str | None, *, count: bool = False
    ) -> RecoveryResult:
        """Register a new connection, evict the user's oldest ones beyond the limit, and read the inbox.

        `count`: first take it from the user's handshakes. Raises ProtocolError when these are used up, and redis.RedisError.

        A cursor that no gateway can have sent is answered with `recovered` False. Connections that come while a script runs go
        together into the next call, by `attach_forever`.
        """
        asked = "" if cursor is None else (cursor if _CURSOR.fullmatch(cursor) else _NO_CURSOR)
        partition = self._partitions.index_of(user_id)
        budget = budget_key(user_id, Budget.HANDSHAKES) if count and self._handshakes else ""
        arrival = _Attachment((user_id, connection_id, asked, budget), asyncio.get_running_loop().create_future())
        self._attaching[partition].append(arrival)
        self._any_attaching[partition].set()
        return await arrival.done

    async def attach_forever(self, partition: int) -> None:
        """Register new connections of the users of one server. Never returns."""
        while True:
            await self._any_attaching[partition].wait()
            self._any_attaching[partition].clear()
            while waiting := self._attaching[partition]:
                batch, self._attaching[partition] = _next_batch(waiting)
                await self._attach([arrival for arrival in batch if not arrival.done.done()])

    async def _attach(self, batch: list[_Attachment]) -> None:
        try:
            found = await self._run_attach([arrival.item for arrival in batch], self._connections_per_user)
        except REDIS_ERRORS as error:
            for arrival in batch:
                if not arrival.done.done():
                    arrival.done.set_exception(error)
            return
        for arrival, recovery_result in zip(batch, found, strict=True):
            if arrival.done.done():
                continue
            if isinstance(recovery_result, RecoveryResult):
                arrival.done.set_result(recovery_result)
            else:
                arrival.done.set_exception(too_many_handshakes(recovery_result))

    async def resume(self, items: Sequence[tuple[str, str, str]]) -> list[RecoveryResult]:
        """Register connections again, and read the next part of what each has missed.

        Items are (user id, connection id, cursor or ''); their users share a partition. Raises redis.RedisError.
        """
        found = await self._run_attach([(*item, "") for item in items], 0)
        return [recovery_result for recovery_result in found if isinstance(recovery_result, RecoveryResult)]

    async def renew(self, items: Sequence[tuple[str, str]]) -> list[int]:
        """Extend the TTL of connections' routes and inboxes; returns which have no route any more.

        Items are (user id, connection id); their users share a partition. The result holds indexes of items. Raises
        redis.RedisError.
        """
        client = self._partitions.of(items[0][0])
        gone = await _renew(client, msgpack_encoder.encode(items), ROUTE_SECONDS, self._inbox_seconds)
        return [place - 1 for place in gone]

    def detach(self, user_id: str, connection_id: str) -> None:
        """Have `run` remove a route soon."""
        self._gone.append((user_id, connection_id))
        self._states.pop((user_id, connection_id), None)
        self._any_change.set()

    def set_active(self, user_id: str, connection_id: str, *, active: bool) -> None:
        """Have `run` store whether a connection's client is active. The last of several changes counts."""
        self._states[user_id, connection_id] = active
        self._any_change.set()

    async def prune(self, user_id: str) -> None:
        """Remove the user's routes to this gateway, which holds none of the user's connections. Raises redis.RedisError."""
        await _prune(self._partitions.of(user_id), self._gateway_id, user_id, str(uuid_utils.uuid7()))

    async def run(self) -> None:
        """Store changed states, and remove routes of ended connections, in batches. Never returns."""
        while True:
            await self._any_change.wait()
            self._any_change.clear()
            while self._gone or self._states:
                await self._write_states()
                await self.flush()

    async def flush(self) -> None:
        """Remove the routes in the queue, or wait a second when a server is away."""
        batch, self._gone = self._gone[:DETACH_BATCH], self._gone[DETACH_BATCH:]
        for index, users in self._partitions.split({user for user, _ in batch}).items():
            wanted = set(users)
            items = [item for item in batch if item[0] in wanted]
            try:
                body = msgpack_encoder.encode(items)
                await _detach(self._partitions.at(index), self._gateway_id, body, self._inbox_seconds)
            except REDIS_ERRORS as error:
                # A route that is left is removed by the first delivery that finds no connection here.
                log.warning("routes.not_removed", connections=len(items), error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _write_states(self) -> None:
        """Store the states that changed, or wait a second when a server is away."""
        batch, self._states = self._states, {}
        for index, users in self._partitions.split({user for user, _ in batch}).items():
            wanted = set(users)
            states = [(user, connection, active) for (user, connection), active in batch.items() if user in wanted]
            try:
                await _set_active(self._partitions.at(index), msgpack_encoder.encode(states), INACTIVE_SECONDS)
            except REDIS_ERRORS as error:
                # Until then the notifier sees the old state. Messages that are written to inactive connections are reported
                # anyway.
                log.warning("client_states.not_written", connections=len(states), error=repr(error))
                for user, connection, active in states:
                    self._states.setdefault((user, connection), active)
                await asyncio.sleep(RETRY_SECONDS)

    async def _run_attach(self, items: Sequence[_Item], most: int) -> list[RecoveryResult | float]:
        """Return of each item the result, or the seconds until the user has another handshake."""
        if not items:
            return []
        answer = await _attach(
            self._partitions.of(items[0][0]),
            self._gateway_id,
            msgpack_encoder.encode(items),
            most,
            self._inbox_seconds,
            ROUTE_SECONDS,
            int(CloseCode.REPLACED),
            random.getrandbits(31),
            PAGE_BYTES,
            self._handshake_ms,
            self._handshakes,
        )
        return [entry[0] / 1000 if len(entry) == 1 else _result_of(*entry) for entry in answer]


def _next_batch(waiting: Sequence[_Attachment]) -> tuple[list[_Attachment], list[_Attachment]]:
    """Return the connections of the next script, and the others: it reads no user's inbox twice."""
    batch: list[_Attachment] = []
    left: list[_Attachment] = []
    reading: set[str] = set()
    for place, arrival in enumerate(waiting):
        if len(batch) == ATTACH_BATCH:
            return batch, [*left, *waiting[place:]]
        user_id, _, cursor, _ = arrival.item
        (left if user_id in reading else batch).append(arrival)
        if cursor:
            reading.add(user_id)
    return batch, left


def _result_of(
    flag: int, last: bytes, texts: list[bytes], revoked: bytes | None, more: int, missing_friends: bytes | None
) -> RecoveryResult:
    recovered = _RESULTS[flag]
    if recovered is not None:
        metrics.RECOVERIES.counts["recovered" if recovered else "lost"] += 1
    return RecoveryResult(
        recovered,
        last.decode(),
        texts,
        None if revoked is None else float(revoked),
        bool(more),
        None if missing_friends is None else missing_friends.decode(),
    )
