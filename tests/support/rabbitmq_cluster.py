"""Three nodes of RabbitMQ on this machine, in one cluster, and control of each."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.backends import run
from tests.support.waiting import eventually
from tools.stack.console import Console
from tools.stack.home import Home, write_private
from tools.stack.ladder import program
from tools.stack.ports import PortBook
from tools.stack.process import Processes
from tools.stack.program import Layer, Program
from tools.stack.rabbitmq import RabbitMQ
from tools.stack.starter import Starter

NODES = (1, 2, 3)
STEP_SECONDS = 60
METRICS = "rabbitmq_prometheus"
"""The plugin that exports metrics."""
COOKIE = "test-cluster-of-three"
SETTINGS = """\
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {prefix}1@localhost
cluster_partition_handling = pause_minority
"""
"""Further nodes find the first one. A node that sees fewer than half of the others stops serving until it sees them again."""


@dataclass
class RabbitCluster:
    """Three nodes, whose names are their numbers.

    `url` names all of them. `ports`: where each accepts connections. `metrics_ports`: where each exports metrics, if it does.
    """

    url: str
    ports: Sequence[int]
    metrics_ports: Sequence[int]
    _programs: Mapping[int, Program]
    _processes: Processes
    _starter: Starter

    @property
    def names(self) -> list[int]:
        """All nodes."""
        return list(self._programs)

    async def kill(self, node: int) -> None:
        """End a node as a crash does."""
        await self._processes.kill(self._processes.get(self._programs[node].name))

    async def start(self, node: int) -> None:
        """Start a node; returns when it accepts connections."""
        await self._starter.launch(self._programs[node])
        await self._starter.await_ready(self._programs[node])

    async def begin_anew(self) -> None:
        """Simulate the loss of every volume: end all nodes, delete their data, and start them as an empty cluster."""
        for name in self._programs:
            if self._processes.find(self._programs[name].name) is not None:
                await self.kill(name)
            await asyncio.to_thread(shutil.rmtree, self._programs[name].environment["RABBITMQ_MNESIA_BASE"])
        first, *others = self._programs
        await self.start(first)
        await asyncio.gather(*(self.start(name) for name in others))
        await self.control(first, "await_online_nodes", str(len(self._programs)), "--timeout", "60")

    async def may_go(self, node: int) -> None:
        """Wait until no queue would lose its majority without this node: an operator asks before taking one down.

        A node that has just restarted may still lack members. Raises TimeoutError.
        """
        server = self._programs[node]

        async def dispensable() -> bool:
            asking = await asyncio.create_subprocess_exec(
                program("rabbitmq-queues"),
                "check_if_node_is_quorum_critical",
                env=dict(server.environment),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            return await asking.wait() == 0

        await eventually(dispensable, STEP_SECONDS)

    def environment(self, node: int) -> Mapping[str, str]:
        """What RabbitMQ's tools need to find a node."""
        return self._programs[node].environment

    async def control(self, node: int, *arguments: str) -> None:
        """Run `rabbitmqctl` on a node."""
        server = self._programs[node]
        await run((program("rabbitmqctl"), *arguments), server.environment)


@asynccontextmanager
async def rabbitmq_cluster(
    folder: Path, environment: Mapping[str, str], *, metrics: bool = False
) -> AsyncIterator[RabbitCluster]:
    """Start a cluster in `folder`, and stop it afterwards; with `metrics`, each node exports metrics. Raises StackError."""
    home = Home(folder)
    ports, processes = PortBook(home), Processes(home, tied=True)
    starter = Starter(home, processes, Console(quiet=True))
    prefix = f"chat{ports.port('rabbitmq-epmd')}-"
    servers, metrics_ports = {}, []
    for number in NODES:
        name = f"rabbitmq-{number}"
        own = (ports.port(name), ports.port("rabbitmq-epmd"), ports.port(f"{name}/distribution"))
        settings = SETTINGS.format(prefix=prefix)
        if metrics:
            metrics_ports.append(ports.port(f"{name}/metrics"))
            settings += f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {metrics_ports[-1]}\n"
        servers[number] = RabbitMQ(
            *(home, own, name),
            node=f"{prefix}{number}@localhost",
            settings=settings,
            plugin=METRICS if metrics else "",
        )
    programs = {number: server.programs(environment) for number, server in servers.items()}
    mapper = programs[NODES[0]][0]
    try:
        await starter.launch(mapper)
        await starter.await_ready(mapper)
        for number in NODES:
            _give_cookie(home.data(f"rabbitmq-{number}"))
            broker = programs[number][-1]
            await starter.launch(broker)
            if number == NODES[0]:
                await starter.await_ready(broker)
        await starter.await_all(brokers[-1] for brokers in programs.values())
        listening = [ports.port(f"rabbitmq-{number}") for number in NODES]
        hosts = ",".join(f"127.0.0.1:{port}" for port in listening)
        brokers_of = {number: brokers[-1] for number, brokers in programs.items()}
        cluster = RabbitCluster(
            f"amqp://guest:guest@{hosts}/", listening, metrics_ports, brokers_of, processes, starter
        )
        # One cluster, not three brokers.
        await cluster.control(NODES[0], "await_online_nodes", str(len(NODES)), "--timeout", "60")
        yield cluster
    finally:
        for layer in (Layer.SERVER, Layer.FOUNDATION):
            for record in [one for one in processes.living() if one.layer == layer]:
                await processes.kill(record)


def _give_cookie(data: Path) -> None:
    """Give all nodes the same cookie, with which they authenticate to each other."""
    data.mkdir(parents=True, exist_ok=True)
    write_private(data / ".erlang.cookie", COOKIE)
    (data / ".erlang.cookie").chmod(0o400)
