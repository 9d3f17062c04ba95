"""`chatctl revoke`: end a user's tokens."""

import asyncio
from typing import Annotated, Final

import typer
from pydantic import SecretStr
from rich.console import Console

from shared import postgres
from shared.auth.revocations import Revocations, end_pushes
from shared.protocol.topology import NOTIFIER_EVENTS
from shared.rabbitmq import BrokerUnavailable, Publisher
from tools.chatctl.users import find_user
from tools.failure import Failure, explained
from tools.target import backend_url, open_redis

DAY_SECONDS: Final = 86_400
BROKER_SECONDS: Final = 10


def revoke(
    user: Annotated[str, typer.Argument(help="A user id or a username.")],
    days: Annotated[
        int | None,
        typer.Option(help="Days to remember it: the longest lifetime of a token. Without it, for ever.", min=1),
    ] = None,
) -> None:
    """Refuse all current tokens of USER in all services, and close the user's connections."""
    with explained():
        subject = asyncio.run(find_user(user))
        keep_seconds = None if days is None else days * DAY_SECONDS
        asyncio.run(_revoke(subject, keep_seconds))
    Console().print(f"refused from now on: tokens of {subject} that were issued before", highlight=False)


async def _revoke(subject: str, keep_seconds: int | None) -> None:
    database, broker = backend_url("database", "CHAT_DATABASE_URL"), backend_url("amqp", "CHAT_AMQP_URL")
    partitions = open_redis()
    pool = await postgres.open_pool(SecretStr(database), size=1, application_name="chatctl")
    try:
        since = await Revocations(pool, partitions).revoke(subject, keep_seconds)
    finally:
        await partitions.aclose()
        await pool.close()
    await _end_pushes(SecretStr(broker), subject, since)


async def _end_pushes(broker: SecretStr, subject: str, since: float) -> None:
    publisher = Publisher(broker, "chatctl", [NOTIFIER_EVENTS])
    running = asyncio.create_task(publisher.run())
    try:
        async with asyncio.timeout(BROKER_SECONDS):
            while not publisher.ready:  # noqa: ASYNC110 - connections have no event for it
                await asyncio.sleep(0.02)
            await end_pushes(publisher, subject, since)
    except (TimeoutError, BrokerUnavailable) as error:
        problem = "the tokens are refused, but RabbitMQ doesn't answer: the user's devices may still get pushes"
        raise Failure(problem, "say it again when `chatctl status` shows that it answers") from error
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
