"""PostgreSQL, RabbitMQ and Redis of a stack, each from the first available source (`ladder`)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from tools.stack import docker, ladder, probes
from tools.stack.home import Home
from tools.stack.ladder import Kind, Machine, Source
from tools.stack.ports import PortBook
from tools.stack.postgres import DATABASE, Postgres
from tools.stack.program import Probe, Program
from tools.stack.rabbitmq import RabbitMQ
from tools.stack.redis import Redis

STACK_KEYS = {"database": ladder.DATABASE, "amqp": ladder.AMQP, "redis": ladder.REDIS}
"""Name in `stack.json` → kind of backend."""


@dataclass(frozen=True)
class Backend:
    """One backend at `url`. `programs` start one after another."""

    kind: Kind
    source: Source
    url: str
    programs: tuple[Program, ...]
    probe: Probe


class Site:
    """Creates backends on this machine, in `home`."""

    def __init__(self, machine: Machine, home: Home, ports: PortBook, environment: Mapping[str, str]) -> None:
        self._machine = machine
        self._home = home
        self._ports = ports
        self._environment = environment

    def backends(self) -> list[Backend]:
        """Return one backend of each kind. Raises NoServer when there is no source for one."""
        return [self._backend(kind) for kind in ladder.KINDS]

    def _backend(self, kind: Kind) -> Backend:
        source = self._machine.source(kind, has_native_data=self._home.data(kind.folder).exists())
        if source is Source.GIVEN:
            url = self._machine.environment[kind.variable]
            return Backend(kind, source, url, (), partial(_PROBES[kind], url))
        build = {ladder.DATABASE: self._database, ladder.AMQP: self._broker, ladder.REDIS: self._store}[kind]
        url, programs = build(source)
        return Backend(kind, source, url, tuple(programs), partial(_PROBES[kind], url))

    def _database(self, source: Source) -> tuple[str, list[Program]]:
        port = self._ports.port("postgres")
        if source is not Source.DOCKER:
            server = Postgres(self._home, port)
            return server.url, server.programs(self._environment)
        password = self._home.secret("postgres")
        url = f"postgresql://{DATABASE}:{password}@127.0.0.1:{port}/{DATABASE}"
        return url, [self._contained("postgres", port, docker.postgres(password), partial(probes.postgres, url))]

    def _broker(self, source: Source) -> tuple[str, list[Program]]:
        port = self._ports.port("rabbitmq")
        if source is not Source.DOCKER:
            ports = (port, self._ports.port("rabbitmq-epmd"), self._ports.port("rabbitmq/distribution"))
            server = RabbitMQ(self._home, ports)
            return server.url, server.programs(self._environment)
        url = f"amqp://guest:guest@127.0.0.1:{port}/"
        return url, [self._contained("rabbitmq", port, docker.rabbitmq(), partial(probes.amqp, url))]

    def _store(self, source: Source) -> tuple[str, list[Program]]:
        port = self._ports.port("redis")
        if source is not Source.DOCKER:
            server = Redis(self._home, port)
            return server.url, server.programs(self._environment)
        url = f"redis://127.0.0.1:{port}/0"
        return url, [self._contained("redis", port, docker.redis(), partial(probes.redis, url))]

    def _contained(self, name: str, port: int, container: docker.Container, probe: Probe) -> Program:
        return docker.contained(self._home, name, port, container, probe, self._environment)


_PROBES: Mapping[Kind, Callable[[str], Awaitable[None]]] = {
    ladder.DATABASE: probes.postgres,
    ladder.AMQP: probes.amqp,
    ladder.REDIS: probes.redis,
}
