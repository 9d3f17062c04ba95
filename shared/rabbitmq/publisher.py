"""Publishes to queues, with the broker's confirm."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import SecretStr

from shared.protocol.topology import Queue
from shared.rabbitmq.errors import BrokerUnavailable, Unroutable
from shared.rabbitmq.link import Link, Opened
from shared.rabbitmq.queues import declare_each

CONFIRM_SECONDS: Final = 5


class Publisher:
    """Publishes messages with confirm.

    `queues` are declared on each connect. One that is gone nevertheless, because somebody deleted it, is declared again by
    the first message that doesn't find it; one that can't be declared stops nobody who publishes to another.
    """

    def __init__(self, url: SecretStr, name: str, queues: Iterable[Queue]) -> None:
        self._queues = tuple(queues)
        self._declaring = asyncio.Lock()
        self.link = Link(url, f"{name}.publish", self._open)

    async def run(self) -> None:
        """Keep the connection. Never returns."""
        await self.link.run()

    @property
    def ready(self) -> bool:
        """True when a publish can be tried."""
        return self.link.usable

    async def publish(
        self,
        queue: Queue,
        body: bytes,
        *,
        expiration_seconds: float | None = None,
        persistent: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Publish and wait for the broker's confirm, at most 5 s.

        Raises BrokerUnavailable when nothing was sent; TimeoutError, AMQPError or OSError when the outcome is
        unknown or the broker refused: send the same again.
        """
        opened = self._opened()
        started = asyncio.get_running_loop().time()

        async def send() -> None:
            await opened.frames.publish(
                queue.name, body, persistent=persistent, expiration_seconds=expiration_seconds, headers=headers
            )

        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                try:
                    await send()
                except Unroutable:
                    async with self._declaring:
                        await declare_each(opened.connection, [queue])
                    await send()
        except TimeoutError:
            if opened is self.link.opened and not self.link.blocked and opened.frames.heard_at < started:
                self.link.drop("no confirm, and nothing else either")
            raise

    def _opened(self) -> Opened:
        opened = self.link.opened
        if opened is None:
            raise BrokerUnavailable("no connection to the broker")
        if opened.frames.blocked:
            raise BrokerUnavailable("the broker is blocked")
        return opened

    async def _open(self, opened: Opened) -> None:
        await declare_each(opened.connection, self._queues)
