"""A pub/sub subscription on one Redis server: every message that comes down passes here.

redis-py's own takes 60 µs a message more, and connects again silently, which hides that messages were missed. Here a
break ends the subscription, and whoever holds it knows.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.redis import CONNECT_SECONDS, Connection


class Subscription(Connection):
    """One connection in subscribed state. `on_message` gets each payload as it comes, in the transport's callback."""

    def __init__(self, on_message: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_message = on_message
        self._missing = 0
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def subscribe(self, url: str, topics: tuple[str, ...]) -> None:
        """Connect to the server of `url` and subscribe. Raises OSError, TimeoutError or RedisError."""
        await self.open(url)
        self._missing = len(topics)
        self.send("SUBSCRIBE", *topics)
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._ready

    def on_reply(self, reply: Any) -> None:
        """A message, a subscription that was made, or the answer to a command before."""
        if not self._missing and not self._ready.done():
            super().on_reply(reply)
        elif isinstance(reply, RedisError):
            if not self._ready.done():
                self._ready.set_exception(reply)
            self.abort()
        elif reply[0] == b"message":
            self._on_message(reply[2])
        elif reply[0] == b"subscribe":
            self._missing -= 1
            if not self._missing and not self._ready.done():
                self._ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport."""
        if not self._ready.done():
            self._ready.set_exception(RedisConnectionError(f"closed before it was subscribed: {exc!r}"))
            self._ready.exception()
        super().connection_lost(exc)
