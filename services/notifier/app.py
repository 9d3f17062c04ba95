"""The notifier's composition root: what there is, in which order it starts, and in which order it stops."""

import asyncio
from typing import Final

import structlog
import uvicorn

from services.notifier.allowlist import AllowList
from services.notifier.claims import Claims
from services.notifier.consumer import Intake, decode_retries, decode_undelivered
from services.notifier.dispatcher import Dispatcher
from services.notifier.http import create_router
from services.notifier.patience import patiently
from services.notifier.pushclient import PushClient
from services.notifier.receivers import Receivers
from services.notifier.retries import RETRY_QUEUES, Retries
from services.notifier.sender import Sender
from services.notifier.settings import NotifierSettings
from services.notifier.settlement import Settlement
from services.notifier.subscriptions import Subscriptions
from services.notifier.vapid import VapidKeys, VapidSigner
from shared import postgres, telemetry
from shared.auth import TokenVerifier
from shared.auth.revocations import Revocations
from shared.directory import Directory
from shared.lifecycle import Supervisor, serve_until
from shared.protocol.topology import NOTIFIER_DEAD, NOTIFIER_RETRIES, NOTIFIER_RETRIES_DEAD, NOTIFIER_UNDELIVERED
from shared.rabbitmq import Consumer, Publisher
from shared.redis import Shards
from shared.rest import Authenticator, create_app
from shared.settings import load

log = structlog.get_logger(__name__)

PREFETCH: Final = 2_000
"""AMQP messages in hand: more than a few slow lanes hold (500 notifications each), so that others still get through."""


async def main() -> int:
    """Run the notifier until SIGTERM. Returns the exit status."""
    settings = load(NotifierSettings)
    telemetry.configure_logging(settings, "notifier")
    supervisor = Supervisor()
    shards = Shards(settings.redis_urls)
    # Until the database has been there once there is nothing to serve, and nothing to give up for.
    pool = await patiently(
        "database",
        lambda: postgres.open_pool(
            settings.database_url, size=settings.database_pool_size, application_name="notifier"
        ),
    )
    try:
        async with PushClient(settings.push_timeout_seconds) as client:
            return await _serve(settings, supervisor, pool, shards, client)
    finally:
        await supervisor.stop()
        await shards.aclose()
        await pool.close()


async def _serve(
    settings: NotifierSettings, supervisor: Supervisor, pool: postgres.Pool, shards: Shards, client: PushClient
) -> int:
    allowed = AllowList(settings.push_allowed_hosts)
    keys = _keys(settings)
    subscriptions, claims = Subscriptions(pool), Claims(shards)
    publisher = Publisher(settings.amqp_url, settings.instance, RETRY_QUEUES)
    settlement = Settlement(claims, subscriptions, Retries(publisher), settings.push_attempts)
    sender = Sender(client, allowed, keys, VapidSigner(settings.vapid_subject), settings.push_ttl_seconds)
    dispatcher = Dispatcher(supervisor, sender, claims, settlement, settings.push_concurrency)
    intake = Intake(Receivers(shards), subscriptions, dispatcher, settlement, settings.push_ttl_seconds)
    undelivered = Consumer(
        settings.amqp_url, settings.instance, NOTIFIER_UNDELIVERED, prefetch=PREFETCH, also=[NOTIFIER_DEAD]
    )
    retries = Consumer(
        settings.amqp_url,
        f"{settings.instance}.retries",
        NOTIFIER_RETRIES,
        prefetch=PREFETCH,
        also=[NOTIFIER_RETRIES_DEAD],
    )
    verifier = TokenVerifier(settings)
    links = (publisher, undelivered, retries)
    stopping = asyncio.Event()

    async def broker() -> None:
        if stopping.is_set() or not all(link.ready for link in links):
            raise ConnectionError

    async def database() -> None:
        await postgres.ping(pool)

    app = create_app("notifier", {"database": database, "redis": shards.ping, "broker": broker})
    app.state.authenticator = Authenticator(verifier, Revocations(shards), Directory(pool))
    app.include_router(create_router(subscriptions, allowed, keys))
    for name, work in {
        "publisher": publisher.run(),
        "undelivered link": undelivered.run(),
        "retries link": retries.run(),
        "undelivered": intake.run(undelivered, decode_undelivered),
        "retries": intake.run(retries, decode_retries),
        "key set": verifier.refresh_forever(),
        "loop lag": telemetry.watch_loop_lag(),
    }.items():
        supervisor.start(name, work)

    async def drain() -> None:
        stopping.set()
        await dispatcher.drain(settings.push_timeout_seconds + 1)

    config = uvicorn.Config(app, host=settings.http_host, port=settings.http_port, log_config=None, access_log=False)
    return await serve_until(config, supervisor, drain)


def _keys(settings: NotifierSettings) -> VapidKeys | None:
    if settings.vapid_private_key is None:
        log.warning("push.no_key", message="CHAT_VAPID_PRIVATE_KEY is not set: no notification will be sent")
        return None
    return VapidKeys.parse(settings.vapid_private_key.get_secret_value())
