"""The system on clusters: three nodes of RabbitMQ, a PostgreSQL primary with its standby, and the services as processes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.forks import launch
from tests.support.postgres_pair import PostgresPair, postgres_pair
from tests.support.rabbitmq_cluster import RabbitCluster, rabbitmq_cluster
from tests.support.stack import Stack
from tests.support.tcp_balancer import balanced
from tools.stack import ladder
from tools.stack.home import Home
from tools.stack.plan import PREFIX
from tools.stack.ports import PortBook
from tools.stack.stack import Stack as LocalStack

LEASE_SECONDS = 12
SETTINGS = {
    "CHAT_MESSAGES_PER_MINUTE": "6000",
    "CHAT_COMMAND_QUEUES": "2",
    # Short, so that a test need not wait for minutes to see a lease end.
    "CHAT_LEASE_SECONDS": str(LEASE_SECONDS),
}


@dataclass
class System:
    """`urls`: `database`, the server that writes now, and `redis`, for those who check."""

    services: Stack
    rabbitmq: RabbitCluster
    postgres: PostgresPair

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.services.url

    @property
    def urls(self) -> Mapping[str, str]:
        """The backends themselves."""
        database = self.postgres.servers[self.postgres.primary].url
        return {"database": database, "redis": self.services.redis_url}


@asynccontextmanager
async def running(folder: Path, environment: Mapping[str, str], *, balance: bool = False) -> AsyncIterator[System]:
    """Start everything in `folder`, with server programs of this machine. Raises StackError.

    `balance`: services know one address of RabbitMQ, behind which a load balancer finds the nodes that live.
    """
    plain = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    plain["STACK_BACKENDS"] = "native"
    async with (
        AsyncExitStack() as exits,
        postgres_pair(folder / "cluster-postgres", plain) as postgres,
        rabbitmq_cluster(folder / "cluster-rabbitmq", plain) as rabbitmq,
    ):
        home = Home(folder / "cluster-services")
        amqp = rabbitmq.url
        if balance:
            port = await exits.enter_async_context(balanced(folder / "cluster-balancer", rabbitmq.ports))
            amqp = f"amqp://guest:guest@127.0.0.1:{port}/"
        settings = {
            **SETTINGS,
            ladder.DATABASE.variable: postgres.url,
            ladder.AMQP.variable: amqp,
            "CHAT_PORT": str(PortBook(home).port("haproxy")),
        }
        services = LocalStack(home, {**plain, **settings}, tied=True, launch=launch)
        try:
            await services.up()
            yield System(Stack(services), rabbitmq, postgres)
        finally:
            await asyncio.shield(services.down())
