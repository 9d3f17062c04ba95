"""Revoked users: every service refuses tokens that were issued up to a certain time.

PostgreSQL stores revocations. Redis has copies: they make a revocation effective everywhere at once, and stand in while
PostgreSQL is away. When Redis loses its data, no revoked token becomes valid again, unless PostgreSQL is away at the same time.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

import structlog

from shared.auth.principal import Principal
from shared.auth.tokens import TokenError
from shared.postgres import DATABASE_ERRORS, Pool, load_sql
from shared.protocol import keys, relay
from shared.protocol.closing import CloseCode
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import NOTIFIER_EVENTS
from shared.rabbitmq import Publisher
from shared.redis import Partitions
from shared.ticks import next_tick

log = structlog.get_logger(__name__)

LOCK: Final = 7_231_964_402_119
"""Key of the advisory lock under which revocations are stored one at a time."""
LOOK_SECONDS: Final = 2.0
"""How often a replica that is asked about tokens reads new revocations from PostgreSQL, in case Redis has lost one."""
IDLE_READS: Final = 5
"""After this many reads in a row without a question, a replica stops reading until somebody asks."""
ANSWER_SECONDS: Final = 2.0
AWAY_SECONDS: Final = 2.0
"""How long PostgreSQL isn't asked again after it didn't answer."""
FEW: Final = 200
"""While fewer users than this are revoked, each read returns all of them, so that nobody has to be looked up alone."""
KEPT_USERS: Final = 50_000
"""Users whose state a replica caches until the next revocation of any user: about 10 MB."""
WITHOUT_TIME: Final = "Tokens of this user were revoked, and this one has no iat claim: issue tokens with iat"

_REVOKE: Final = load_sql("shared.auth", "revoke")
_REVOCATIONS_OF: Final = load_sql("shared.auth", "revocations_of")
_NEWEST: Final = load_sql("shared.auth", "newest_revocation")


class _Known(NamedTuple):
    """PostgreSQL's state of a user when `version` was the newest. `since`: Unix seconds, None when not revoked."""

    version: int
    since: float | None


class Revocations:
    """Which users are revoked, and since when. Without `run`, every check asks PostgreSQL."""

    def __init__(self, pool: Pool, partitions: Partitions) -> None:
        self._pool = pool
        self._partitions = partitions
        self._version: int | None = None
        self._all_revoked: frozenset[str] | None = None
        """The revoked users at the last read; None when there are too many, before the first read, or while idle."""
        self._wanted = asyncio.Event()
        """Set when somebody asks."""
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asked: dict[str, asyncio.Future[float | None]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._away_until = 0.0

    async def run(self) -> None:
        """Read new revocations at regular intervals while somebody asks about tokens. Never returns.

        An idle replica knows nothing, so PostgreSQL answers the first questions after that.
        """
        unasked = 0
        while True:
            try:
                await self._look()
            except DATABASE_ERRORS as error:
                log.info("revocations.not_read", error=repr(error))
            self._wanted.clear()
            await next_tick(LOOK_SECONDS)
            unasked = 0 if self._wanted.is_set() else unasked + 1
            if unasked == IDLE_READS:
                unasked = 0
                self._version = self._all_revoked = None
                await self._wanted.wait()

    async def _look(self) -> None:
        row = await self._pool.fetchrow(_NEWEST, FEW, timeout=ANSWER_SECONDS)
        assert row is not None
        self._version = row["newest"]
        self._all_revoked = frozenset(row["users"]) if len(row["users"]) < FEW else None

    async def revoke(self, user_id: str, keep_seconds: int | None) -> float:
        """Refuse the user's current tokens, for `keep_seconds` or forever, and order gateways to close the user's connections.

        Returns the time (Unix seconds) up to which issued tokens are refused. Raises what asyncpg and redis raise; then it must
        be repeated.
        """
        revoked_ms: int = await self._pool.fetchval(_REVOKE, user_id, keep_seconds, LOCK)
        since = revoked_ms / 1000
        self._known.pop(user_id, None)
        self._all_revoked = None
        partition = self._partitions.of(user_id)
        await partition.client.set(partition.key(keys.REVOKED, user_id), f"{since:.3f}", ex=keep_seconds)
        order = relay.CloseOrder(CloseCode.TOKEN_EXPIRED, user_id, issued_before=since)
        await partition.publish(
            partition.key(keys.GATEWAYS), msgpack_encoder.encode(relay.Downlink(close_orders=[order]))
        )
        return since

    async def check(self, principal: Principal) -> None:
        """Raise TokenError for a revoked token, and what redis raises when its copy can't be read."""
        partition = self._partitions.of(principal.user_id)
        copy = await partition.client.get(partition.key(keys.REVOKED, principal.user_id))
        if copy is not None:
            refuse_if_revoked(principal, float(copy))
        await self.check_stored(principal)

    async def check_stored(self, principal: Principal, *, redis_away: bool = False) -> None:
        """Check only PostgreSQL, for callers that have read Redis' copy. Raises TokenError.

        `redis_away`: Redis' copy couldn't be read. Then it raises ConnectionError when PostgreSQL is away too, and has no cached
        answer.

        A token with fractions of a second in `iat` is compared by milliseconds. One with whole seconds is refused when it was
        issued in the second of the revocation.
        """
        since = await self._since(principal.user_id, redis_away=redis_away)
        if since is not None:
            refuse_if_revoked(principal, since)

    async def _since(self, user_id: str, *, redis_away: bool) -> float | None:
        self._wanted.set()
        known = self._known.get(user_id)
        if known is not None and known.version == self._version:
            return known.since
        if self._all_revoked is not None and user_id not in self._all_revoked:
            return None
        if time.monotonic() >= self._away_until:
            answer = self._asked.get(user_id)
            if answer is None:
                answer = self._asked[user_id] = asyncio.get_running_loop().create_future()
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
            try:
                return await asyncio.shield(answer)
            except ConnectionError:
                pass
        # PostgreSQL is away: use its last answer, and Redis' copy.
        if known is None and redis_away:
            raise ConnectionError("neither PostgreSQL nor Redis says whether the token is revoked")
        return None if known is None else known.since

    async def _ask(self) -> None:
        """Look up all waiting users in one query. Users who come meanwhile are looked up next."""
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                await self._look_up(asked)
        finally:
            self._asking = None

    async def _look_up(self, asked: Mapping[str, asyncio.Future[float | None]]) -> None:
        """Answer since when each user is revoked, or that PostgreSQL is away: a check must not wait for ever, whatever failed."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                rows = await self._pool.fetch(_REVOCATIONS_OF, list(asked))
            if self._version is not None and rows:
                self._version = max(self._version, rows[0]["newest"])
            for row in rows:
                since = None if row["revoked_ms"] is None else row["revoked_ms"] / 1000
                self._keep(row["user_id"], _Known(row["newest"], since))
                asked[row["user_id"]].set_result(since)
        except Exception as error:
            log.warning("revocations.not_checked", users=len(asked), error=repr(error))
            self._away_until = time.monotonic() + AWAY_SECONDS
        finally:
            for answer in asked.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("PostgreSQL is away"))
                    answer.exception()

    def _keep(self, user_id: str, known: _Known) -> None:
        self._known[user_id] = known
        self._known.move_to_end(user_id)
        if len(self._known) > KEPT_USERS:
            self._known.popitem(last=False)


async def end_pushes(publisher: Publisher, user_id: str, since: float) -> None:
    """Tell the notifier to stop pushes to the devices of a user who was revoked at `since`.

    Raises what `Publisher.publish` raises; then it must be repeated.
    """
    batch = relay.NotifierEventBatch([relay.PushRevoked(user_id, since)])
    await publisher.publish(NOTIFIER_EVENTS, msgpack_encoder.encode(batch))


def refuse_if_revoked(principal: Principal, revoked_at: float) -> None:
    """Raise TokenError when the token was issued up to `revoked_at` (Unix seconds)."""
    if not principal.issued_at:
        raise TokenError("revoked, and has no iat", WITHOUT_TIME)
    if principal.issued_at <= revoked_at:
        raise TokenError("revoked")
