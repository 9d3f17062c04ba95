"""Rate limits of users over all replicas of a service, counted in Redis."""

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.pace import Pace
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.redis import Partitions, Script
from shared.retry import is_transient
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

ANSWER_SECONDS: Final = 1.0
"""A Redis that takes longer to answer counts as away."""
AWAY_SECONDS: Final = 1.0
"""How long a Redis that is away isn't asked again."""
_TAKE: Final = Script("shared.rest", "gcra", "take_request")
_ADMIT: Final = Script("shared.rest", "gcra", "admit_request")
_STATE: Final = "rate_limit"
POLICY: Final = "RateLimit-Policy"
REMAINING: Final = "RateLimit"
HEADERS: Final = (POLICY, REMAINING)
"""Response headers by which a client sees what its bucket has (draft-ietf-httpapi-ratelimit-headers-10)."""


@dataclass(frozen=True, slots=True)
class BucketState:
    """The state of a user's token bucket.

    `remaining` requests now, and all `quota` again after `reset_seconds`. `window_seconds`: the time from none to all.
    """

    quota: int
    remaining: int
    reset_seconds: int
    window_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers for the response."""
        return {
            POLICY: f'"user";q={self.quota};w={self.window_seconds}',
            REMAINING: f'"user";r={self.remaining};t={self.reset_seconds}',
        }


class RateLimit:
    """A token bucket for each user: a burst of `burst` requests, refilled with one every `interval_seconds`.

    While Redis is away, `admit` counts only in this process, so that requests that need no Redis go on.
    """

    def __init__(self, partitions: Partitions, name: str, interval_seconds: float, burst: int) -> None:
        self._partitions = partitions
        self._name = name
        self._interval_ms = interval_seconds * 1000
        self._burst = burst
        self._alone = Pace(1 / interval_seconds, burst, 0.0)
        self._away_until = [0.0] * len(partitions)

    @classmethod
    def of_service(cls, settings: ServiceSettings, partitions: Partitions, service: str) -> "RateLimit | None":
        """Return the limit of all requests to a service; None when the operator set none."""
        rate = settings.rest_requests_per_second
        return cls(partitions, service, 1 / rate, settings.rest_burst) if rate else None

    async def require(self, user_id: str, message: str) -> BucketState:
        """Take one request. Raises ProtocolError (rate_limit_exceeded) with `message` when none is left, and RedisError."""
        answer = await _TAKE(self._partitions.of(user_id), self._name, user_id, self._interval_ms, self._burst)
        return self._state(message, *answer)

    async def admit(self, user_id: str, message: str) -> tuple[BucketState, float | None] | None:
        """Take one request as `require` does, and read in the same round trip up to when the user's tokens are revoked.

        That time is in Unix seconds, or None. While Redis is away, this process counts alone, and the result is None: whether the
        user is revoked isn't known.
        """
        answer = await self._ask(user_id)
        if answer is None:
            wait = self._alone.wait(user_id, time.monotonic())
            if self._alone.is_too_long(wait):
                raise ProtocolError(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=wait)
            return None
        *counted, revoked = answer
        return self._state(message, *counted), None if revoked is None else float(revoked)

    async def _ask(self, user_id: str) -> list[Any] | None:
        """Return the script's result; None when Redis doesn't answer in time, and for a second after that."""
        index = self._partitions.index_of(user_id)
        if time.monotonic() < self._away_until[index]:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                partition = self._partitions.at(index)
                answer: list[Any] = await _ADMIT(partition, user_id, self._name, self._interval_ms, self._burst)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("rate_limit.not_shared", error=repr(error))
            self._away_until[index] = time.monotonic() + AWAY_SECONDS
            return None
        return answer

    def _state(self, message: str, allowed: int, remaining: int, wait_ms: int) -> BucketState:
        if not allowed:
            raise ProtocolError(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=wait_ms / 1000)
        window = round(self._interval_ms * self._burst / 1000)
        return BucketState(self._burst, remaining, -(-wait_ms // 1000), max(window, 1))


def note(scope: Scope, bucket: BucketState) -> None:
    """Store a bucket's state in the request's scope, for `RateLimitHeaders`."""
    scope.setdefault("state", {})[_STATE] = bucket


class RateLimitHeaders:
    """Adds headers with the state of the user's bucket to its response; to a refusal that nothing is left until `Retry-After`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                bucket = scope.get("state", {}).get(_STATE)
                if isinstance(bucket, BucketState):
                    headers.update(bucket.headers)
                elif message["status"] == HTTPStatus.TOO_MANY_REQUESTS:
                    headers[REMAINING] = f'"user";r=0;t={headers["Retry-After"]}'
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
