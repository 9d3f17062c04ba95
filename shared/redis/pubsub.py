"""A pub/sub subscription at one Redis server. All messages to gateways pass here.

redis-py's own takes 60 µs more for each message, and reconnects silently, which hides lost messages. Here a broken connection
ends the subscription, and the caller notices. So does a hash slot that moves to another node of a cluster.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.redis.connection import CONNECT_SECONDS, Connection


class Subscription(Connection):
    """One connection in subscribed state.

    `on_message` gets each payload, in the transport's callback. `sharded`: use a cluster's sharded pub/sub (Redis 7), where
    all topics must be in one hash slot.
    """

    def __init__(self, on_message: Callable[[bytes], None], *, sharded: bool = False) -> None:
        super().__init__()
        self._on_message = on_message
        prefix = "s" if sharded else ""
        self._command = f"{prefix}subscribe".upper()
        self._subscribed = f"{prefix}subscribe".encode()
        self._message = f"{prefix}message".encode()
        self._missing = 0
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def subscribe(self, options: Mapping[str, Any], topics: tuple[str, ...]) -> None:
        """Connect to the server of `options` and subscribe. Raises OSError, TimeoutError or RedisError."""
        await self.open(options)
        self._missing = len(topics)
        self.send(self._command, *topics)
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._ready

    def on_reply(self, reply: Any) -> None:
        """Handle a message, the begin or end of a subscription, or the reply to an earlier command."""
        if not self._missing and not self._ready.done():
            super().on_reply(reply)
        elif isinstance(reply, RedisError):
            if not self._ready.done():
                self._ready.set_exception(reply)
            self.abort()
        elif reply[0] == self._message:
            self._on_message(reply[2])
        elif reply[0] == self._subscribed:
            self._missing -= 1
            if not self._missing and not self._ready.done():
                self._ready.set_result(None)
        else:
            # «sunsubscribe»: the slot has moved, and messages now go to another node.
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the subscription."""
        if not self._ready.done():
            self._ready.set_exception(RedisConnectionError(f"closed before it was subscribed: {exc!r}"))
            self._ready.exception()
        super().connection_lost(exc)
