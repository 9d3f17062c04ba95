"""Messaging in a process of its own, which tests start, kill, and send batches to."""

import asyncio
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.protocol.codec import msgpack_encoder
from shared.protocol.relay import CommandBatch, Relayed
from shared.protocol.topology import MESSAGING_COMMANDS, Queue
from shared.rabbitmq import declare
from tests.support.broker import empty_queues
from tests.support.forks import FORKS, Fork
from tests.support.plain_http import plain_http
from tools.stack.ports import free_port

START_SECONDS = 60
SECRET = "integration-test-secret-0123456789abcdef"


@dataclass
class MessagingProcess:
    """A running `python -m services.messaging`."""

    process: Fork
    url: str
    log: Path

    @classmethod
    async def start(cls, backends: dict[str, str], log: Path, **settings: str) -> "MessagingProcess":
        """Start a process, and wait until it is ready. `backends` and `settings` are environment variables."""
        port = free_port()
        given = {
            "CHAT_HTTP_PORT": str(port),
            "CHAT_JWT_SECRET": SECRET,
            "CHAT_UNREAD_SAMPLE_SECONDS": "3600",
            **settings,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
        with log.open("ab") as output:
            process = FORKS.start("services.messaging", {**environment, **backends, **given}, errors=output.fileno())
        started = cls(process, f"http://127.0.0.1:{port}", log)
        await started.ready()
        return started

    async def ready(self) -> None:
        """Wait until all its backends answer; fails, showing the log, when it ends or takes longer than a minute."""
        try:
            async with asyncio.timeout(START_SECONDS), plain_http(self.url) as client:
                while self.process.returncode is None:
                    try:
                        if (await client.get("/readyz")).status_code == 200:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        raise AssertionError(self.log.read_text())

    async def died(self) -> int:
        """Wait until it has ended, and return the exit status, or minus the signal."""
        async with asyncio.timeout(START_SECONDS):
            return await self.process.wait()

    async def stop(self, signum: int = signal.SIGTERM) -> int:
        """Terminate it, and wait until it has ended."""
        if self.process.returncode is None:
            self.process.send_signal(signum)
        return await self.died()


class Broker:
    """Publishes batches to messaging's queues, and takes what messaging publishes to other services."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel

    async def send(self, *batches: CommandBatch) -> None:
        """Publish command batches, as gateways do, in this order."""
        for batch in batches:
            await self.publish(MESSAGING_COMMANDS, msgpack_encoder.encode(batch))

    async def tell(self, queue: Queue, message: Relayed) -> None:
        """Publish any other struct."""
        await self.publish(queue, msgpack_encoder.encode(message))

    async def publish(self, queue: Queue, body: bytes) -> None:
        """Publish bytes, with confirm."""
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self._channel.default_exchange.publish(message, routing_key=queue.name)

    async def take(self, queue: Queue) -> AbstractIncomingMessage:
        """Take and acknowledge the next message of a queue; fail when there is none within 10 s."""
        declared = await declare(self._channel, queue)
        async with asyncio.timeout(10):
            while True:
                message = await declared.get(fail=False)
                if message is not None:
                    await message.ack()
                    return message
                await asyncio.sleep(0.01)

    async def purge(self, queues: Iterable[Queue]) -> None:
        """Empty queues."""
        await empty_queues(self._channel, queues)
