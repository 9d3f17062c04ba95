"""The messaging process, put together; start and stop read in order."""

import asyncio
import random
from typing import Final

import structlog
import uvicorn

from services.messaging.blocks import Blocks
from services.messaging.consumer import CommandConsumer
from services.messaging.conversations import Conversations
from services.messaging.cycle import Cycle
from services.messaging.fanout import Fanout
from services.messaging.handlers import Handlers
from services.messaging.http import Endpoints, add_routes
from services.messaging.messages import Messages
from services.messaging.receipts import Receipts
from services.messaging.settings import Settings
from services.messaging.undelivered import UndeliveredMessages
from services.messaging.unread import UnreadCounts
from shared import postgres
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor, serve_until
from shared.protocol.topology import (
    MESSAGING_COMMANDS,
    MESSAGING_DEAD,
    NOTIFIER_DEAD,
    NOTIFIER_UNDELIVERED,
    NOTIFIER_WAITING,
    PRESENCE_COMMANDS,
    PRESENCE_DEAD,
)
from shared.rabbitmq import Consumer, Publisher
from shared.redis import Shards
from shared.rest import Authenticator, create_app
from shared.settings import load
from shared.telemetry import configure_logging, watch_loop_lag

log = structlog.get_logger(__name__)

QUEUES: Final = (
    MESSAGING_DEAD,
    PRESENCE_DEAD,
    NOTIFIER_DEAD,
    MESSAGING_COMMANDS,
    PRESENCE_COMMANDS,
    NOTIFIER_UNDELIVERED,
    NOTIFIER_WAITING,
)
MAX_CONNECT_BACKOFF_SECONDS: Final = 3.0


async def open_pool_patiently(settings: Settings) -> postgres.Pool:
    """A pool, as soon as PostgreSQL can be reached."""
    attempt = 0
    while True:
        try:
            return await postgres.open_pool(
                settings.database_url, size=settings.database_pool_size, application_name=settings.instance
            )
        except postgres.TRANSIENT_ERRORS as error:
            log.warning("database.unavailable", error=repr(error))
        attempt = min(attempt + 1, 6)
        await asyncio.sleep(random.uniform(0.1, min(MAX_CONNECT_BACKOFF_SECONDS, 0.1 * 2**attempt)))  # noqa: S311


async def main() -> int:
    """Run until SIGTERM; returns the exit status."""
    settings = load(Settings)
    configure_logging(settings, "messaging")
    pool = await open_pool_patiently(settings)
    shards = Shards(settings.redis_urls)
    publisher = Publisher(settings.amqp_url, settings.instance, QUEUES)
    consumer = Consumer(
        settings.amqp_url, settings.instance, MESSAGING_COMMANDS, prefetch=settings.command_prefetch, also=QUEUES
    )
    verifier = TokenVerifier(settings)
    directory = Directory(pool)
    messages, blocks, counts = Messages(pool), Blocks(pool, shards), UnreadCounts(pool, shards)
    cycle = Cycle(
        shards,
        Handlers(messages, Receipts(pool), blocks, directory),
        Fanout(shards, counts.rebuild),
        UndeliveredMessages(publisher, settings.push_delay_seconds),
        publisher,
    )
    commands = CommandConsumer(consumer, cycle, settings.max_cycle_commands)

    async def broker_ready() -> None:
        if not (publisher.ready and consumer.ready):
            raise ConnectionError("no connection to the broker")

    app = create_app("messaging", {"postgres": lambda: postgres.ping(pool), "redis": shards.ping, "amqp": broker_ready})
    app.state.authenticator = Authenticator(verifier, Revocations(shards), directory)
    add_routes(app, Endpoints(Conversations(pool), messages, counts, blocks, directory))
    supervisor = Supervisor()
    supervisor.start("keys", verifier.refresh_forever())
    supervisor.start("publisher", publisher.run())
    supervisor.start("consumer", consumer.run())
    supervisor.start("loop_lag", watch_loop_lag())
    working = asyncio.create_task(commands.run())

    config = uvicorn.Config(app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False)
    status = await serve_until(config, supervisor)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await supervisor.stop()
    await shards.aclose()
    await pool.close()
    return status
