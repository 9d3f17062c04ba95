"""The whole system, two replicas of each service, on backends with replicas, watched by a real Prometheus with the exporters."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.alerts import prometheus as programs
from tests.alerts.operator import Operator, write_tools
from tests.alerts.pages import pages
from tests.alerts.prometheus import Prometheus
from tests.support.people import People
from tests.support.postgres_pair import PostgresPair, postgres_pair
from tests.support.rabbitmq_cluster import RabbitCluster, rabbitmq_cluster
from tests.support.redis_nodes import Node, Nodes
from tests.support.stack import Stack
from tests.support.waiting import eventually
from tools.stack import ladder
from tools.stack.console import Console
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.plan import PREFIX, REPLICAS
from tools.stack.ports import PortBook
from tools.stack.process import Processes
from tools.stack.stack import Stack as LocalStack
from tools.stack.starter import Starter

FIRE_SECONDS = 100
END_SECONDS = 120
SETTINGS = {
    "CHAT_MESSAGES_PER_MINUTE": "0",
    "CHAT_HANDSHAKES_PER_MINUTE": "0",
    "CHAT_CONNECTIONS_PER_USER": "0",
    "CHAT_UPLOADS_PER_HOUR": "0",
    # Short, so that a test need not wait for what comes by and by.
    "CHAT_UNREAD_SAMPLE_SECONDS": "1",
    "CHAT_UPLOAD_SWEEP_SECONDS": "1",
    "CHAT_PUSH_DELAY_SECONDS": "1",
}


@dataclass
class Watched:
    """`push_port`: the port of the one push service that is allowed, where a test may listen or not.

    `followed`: the commands of pages that were run.
    """

    services: Stack
    rabbitmq: RabbitCluster
    postgres: PostgresPair
    redis: Node
    replica: Node
    prometheus: Prometheus
    people: People
    environment: Mapping[str, str]
    push_port: int
    home: Home
    starter: Starter
    processes: Processes
    followed: list[str] = field(default_factory=list)

    @property
    def push_origin(self) -> str:
        """The origin of the push service."""
        return f"http://127.0.0.1:{self.push_port}"

    @property
    def database_url(self) -> str:
        """The server that writes."""
        return self.postgres.servers[self.postgres.primary].url

    def redis_client(self) -> "Redis":
        """A client of the master."""
        return Redis.from_url(f"redis://127.0.0.1:{self.redis.port}", decode_responses=True)

    def operator(self, alert: str, **variables: str) -> Operator:
        """Somebody who follows the page of an alert."""
        return Operator(pages()[alert], {**self.environment, **variables}, self.followed)

    async def scraped(self, before: Sequence[Any], query: str) -> None:
        """Wait until Prometheus finds something else than `before`. Raises TimeoutError."""

        async def changed() -> bool:
            return _values(await self.prometheus.ask(query)) != _values(before)

        await eventually(changed, FIRE_SECONDS)

    async def seen_whole(self) -> None:
        """Wait until Prometheus has seen every process well: an alert may ask what there was before. Raises TimeoutError."""
        await eventually(self.prometheus.sees_all, FIRE_SECONDS)

    async def settled(self) -> list[str]:
        """The alerts that fire when each process has been seen for as long as the longest window; none should."""

        async def all_up() -> bool:
            return await self.prometheus.has("min(up) == 1") and await self.prometheus.has("min(chat_ready) == 1")

        async def calm() -> bool:
            return await all_up() and not await self.prometheus.firing()

        await eventually(all_up, FIRE_SECONDS)
        with suppress(TimeoutError):
            await eventually(calm, END_SECONDS)
        return [labels["alertname"] for labels in await self.prometheus.firing()]

    async def fires(self, alert: str, labels: Mapping[str, str]) -> None:
        """Wait until an alert fires for `labels`. Raises TimeoutError."""
        await eventually(lambda: self._fires(alert, labels), FIRE_SECONDS)

    async def ends(self, alert: str, labels: Mapping[str, str]) -> None:
        """Wait until it doesn't. Raises TimeoutError."""

        async def ended() -> bool:
            return not await self._fires(alert, labels)

        await eventually(ended, END_SECONDS)

    async def _fires(self, alert: str, labels: Mapping[str, str]) -> bool:
        wanted = {"alertname": alert, **labels}.items()
        return any(wanted <= firing.items() for firing in await self.prometheus.firing())


def _values(found: Sequence[Any]) -> list[str]:
    return [one["value"][1] for one in found]


@asynccontextmanager
async def running(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Watched]:
    """Start everything in `folder`, with programs of this machine. Raises StackError."""
    plain = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    plain |= {"STACK_BACKENDS": "native", **{variable: "2" for variable, _ in REPLICAS.values()}}
    nodes = Nodes(folder / "alerts-redis")
    master = nodes.node("redis")
    replica = nodes.node("redis-replica", "--replicaof", "127.0.0.1", str(master.port))
    home = Home(folder / "alerts-services")
    watching = Home(folder / "alerts-watching")
    ports, processes = PortBook(watching), Processes(watching, tied=True)
    starter = Starter(watching, processes, Console(quiet=True))
    async with (
        AsyncExitStack() as exits,
        postgres_pair(folder / "alerts-postgres", plain) as postgres,
        rabbitmq_cluster(folder / "alerts-rabbitmq", plain, metrics=True) as rabbitmq,
    ):
        for node in (master, replica):
            await node.start()
            exits.push_async_callback(node.stop)
        settings = {
            **SETTINGS,
            ladder.DATABASE.variable: postgres.url,
            ladder.AMQP.variable: rabbitmq.url,
            ladder.REDIS.variable: f"redis://127.0.0.1:{master.port}/0",
            "CHAT_PORT": str(PortBook(home).port("haproxy")),
            "CHAT_PUSH_ALLOWED_HOSTS": f"http://127.0.0.1:{ports.port('push')}",
        }
        plain["HAPROXY_METRICS"] = f"127.0.0.1:{ports.port('haproxy/metrics')}"
        local = LocalStack(home, {**plain, **settings}, tied=True)
        try:
            await local.up()
            stack = Stack(local)
            await _watch(starter, watching, ports, local, (postgres, rabbitmq, master, replica))
            yield Watched(
                stack, rabbitmq, postgres, master, replica,
                Prometheus(f"http://127.0.0.1:{ports.port('prometheus')}"),
                People(stack.url, exits),
                _environment(watching, stack, rabbitmq, master, ports),
                ports.port("push"), watching, starter, processes,
            )  # fmt: skip
        finally:
            for record in processes.living():
                await processes.stop(record)
            await asyncio.shield(local.down())


async def _watch(
    starter: Starter,
    home: Home,
    ports: PortBook,
    local: LocalStack,
    backends: tuple[PostgresPair, RabbitCluster, Node, Node],
) -> None:
    """Start the exporters, the Pushgateway and Prometheus."""
    postgres, rabbitmq, *redis = backends
    exporters = {
        "redis": [programs.exporter_of_redis(ports, f"{node.name}-exporter", node.port) for node in redis],
        "postgres": [
            programs.exporter_of_postgres(home, ports, f"{name}-exporter", postgres.servers[name].url)
            for name in (postgres.primary, postgres.standby)
        ],
        "pushgateway": [programs.pushgateway(ports)],
    }
    targets = {job: [one.port for one in started] for job, started in exporters.items()}
    targets |= {"haproxy": [ports.port("haproxy/metrics")]}
    targets |= {"rabbitmq": list(rabbitmq.metrics_ports), "rabbitmq-nodes": list(rabbitmq.metrics_ports)}
    for service in REPLICAS:
        targets[service] = [one.port for one in local.layout.services if one.name.rpartition("-")[0] == service]
    everything = [
        *(one for started in exporters.values() for one in started),
        programs.prometheus(home, ports, targets),
    ]
    for one in everything:
        await starter.launch(one)
    await starter.await_all(everything)


def _environment(home: Home, stack: Stack, rabbitmq: RabbitCluster, redis: Node, ports: PortBook) -> dict[str, str]:
    """What an operator's shell has: the tools, each led to the system, and the settings that `chatctl` reads."""
    tools = {name: (program(name),) for name in ("rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-queues")}
    path = write_tools(
        home.data("tools"),
        {
            **tools,
            "redis-cli": (program("redis-cli"), "-p", str(redis.port)),
            "chatctl": (sys.executable, "-m", "tools.chatctl"),
        },
    )
    settings = (
        "CHAT_JWT_SECRET",
        "CHAT_UPLOAD_SIGNING_KEYS",
        "CHAT_VAPID_PRIVATE_KEY",
        "CHAT_PUBLIC_URL",
        "CHAT_UPLOAD_STORE",
    )
    return {
        **rabbitmq.environment(1),
        **{name: stack.setting(name) for name in settings},
        "PATH": path,
        "CHAT_URL": stack.url,
        "CHAT_DATABASE_URL": stack.database_url,
        "CHAT_REDIS_URLS": stack.redis_url,
        "CHAT_AMQP_URL": stack.amqp_url,
        "CHAT_PROBE_METRICS": f"http://127.0.0.1:{ports.port('pushgateway')}",
    }
