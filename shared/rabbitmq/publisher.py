"""Publishes messages to queues, and waits for the broker's confirms."""

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
    """Publishes messages, and waits for their confirms.

    Each connect declares `queues`. If somebody deletes a queue later, the first message that the broker can't route declares it
    again. A queue that can't be declared doesn't stop messages to other queues.
    """

    def __init__(self, url: SecretStr, name: str, queues: Iterable[Queue]) -> None:
        self._queues = tuple(queues)
        self._declaring = asyncio.Lock()
        self.link = Link(url, f"{name}.publish", self._open)

    async def run(self) -> None:
        """Connect, and reconnect when the connection breaks. Never returns."""
        await self.link.run()

    @property
    def ready(self) -> bool:
        """True while the connection is open and the broker accepts messages."""
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
        """Publish a message, and wait for the broker's confirm, at most 5 s.

        Raises BrokerUnavailable when nothing was sent. Raises TimeoutError, AMQPError or OSError when the broker refused the
        message or the outcome is unknown: publish the same message again.
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
                self.link.drop("no confirm, and no other frame")
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
