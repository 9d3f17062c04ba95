"""How many messages a user may send, over all connections and gateways: asked in Redis once for each batch."""

import asyncio
import time
from collections import Counter
from typing import Final

import structlog

from services.gateway.uplink.error_replies import ErrorReplies
from shared.protocol import relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import TRANSIENT_ERRORS, RedisError, Script, Shards

log = structlog.get_logger(__name__)

MINUTE_MS: Final = 60_000
ANSWER_SECONDS: Final = 1.0

_admit = Script("services.gateway.uplink", "admit")


class MessageRateLimit:
    """The allowance of each user: so many a minute, all of them at once if it likes, refilled steadily.

    Without Redis there is neither a count nor a way for the answer to come back (acknowledgements come down by its
    pub/sub), so sends are refused with `send_failed`, at once.
    """

    def __init__(self, shards: Shards, error_replies: ErrorReplies, per_minute: int) -> None:
        self._shards = shards
        self._error_replies = error_replies
        self._per_minute = per_minute

    async def admit(self, commands: list[relay.Command]) -> list[relay.Command]:
        """The commands that may go on, in order; the others are answered here."""
        if not self._per_minute:
            return commands
        wanted = Counter(command.user_id for command in commands if isinstance(command, relay.SendMessage))
        if not wanted:
            return commands
        verdicts: dict[str, tuple[int, float] | None] = {}
        groups = self._shards.split(wanted)
        for group in await asyncio.gather(*(self._ask(index, users, wanted) for index, users in groups.items())):
            verdicts.update(group)
        if all(verdict is not None and verdict[0] >= wanted[user] for user, verdict in verdicts.items()):
            return commands
        return self._sort_out(commands, verdicts)

    async def _ask(self, index: int, users: list[str], wanted: Counter[str]) -> dict[str, tuple[int, float] | None]:
        """User id → (messages allowed, seconds until the next), or None when their server is away."""
        items = [(user, wanted[user]) for user in users]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answers = await _admit(
                    self._shards.at(index),
                    msgpack_encoder.encode(items),
                    MINUTE_MS / self._per_minute,
                    self._per_minute,
                )
        except (*TRANSIENT_ERRORS, RedisError) as error:
            log.warning("rates.unavailable", users=len(users), error=repr(error))
            return dict.fromkeys(users)
        return {user: (allowed, wait_ms / 1000) for user, (allowed, wait_ms) in zip(users, answers, strict=True)}

    def _sort_out(
        self, commands: list[relay.Command], verdicts: dict[str, tuple[int, float] | None]
    ) -> list[relay.Command]:
        """Refuse what goes beyond the verdicts; a user's first messages are the ones that pass."""
        now = time.monotonic()
        passed: list[relay.Command] = []
        used: Counter[str] = Counter()
        for command in commands:
            if not isinstance(command, relay.SendMessage):
                passed.append(command)
                continue
            verdict = verdicts[command.user_id]
            if verdict is None:
                self._error_replies.send_failed([command], "redis unavailable")
            elif used[command.user_id] < verdict[0]:
                used[command.user_id] += 1
                passed.append(command)
            else:
                self._error_replies.rate_limited(command, verdict[1], now)
        return passed
