"""Publishes to queues, with the broker's confirm."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from aio_pika.abc import AbstractChannel
from pydantic import SecretStr

from shared.protocol.topology import Queue
from shared.rabbitmq.errors import BrokerUnavailable
from shared.rabbitmq.frames import MessageFrames
from shared.rabbitmq.link import Link, declare

CONFIRM_SECONDS: Final = 5


class Publisher:
    """Publishes persistent messages with confirm, or transient ones without waiting. Declares `queues` on each connect."""

    def __init__(self, url: SecretStr, name: str, queues: Iterable[Queue]) -> None:
        self._queues = tuple(queues)
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
        frames = self.link.frames
        if frames is None or self.link.blocked:
            raise BrokerUnavailable("no connection to the broker" if frames is None else "the broker is blocked")
        async with asyncio.timeout(CONFIRM_SECONDS):
            await frames.publish(
                queue.name, body, persistent=persistent, expiration_seconds=expiration_seconds, headers=headers
            )

    async def _open(self, channel: AbstractChannel, _frames: MessageFrames) -> None:
        for queue in self._queues:
            await declare(channel, queue)
