"""The system under fault: its own servers and services, with a proxy on each link between them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.proxy import Proxy
from tests.support.forks import launch
from tests.support.stack import Stack
from tools.stack import ladder
from tools.stack.backends import Backend
from tools.stack.home import Home
from tools.stack.ladder import Kind
from tools.stack.plan import PREFIX
from tools.stack.ports import PortBook
from tools.stack.stack import Stack as LocalStack

SETTINGS = {
    "CHAT_MESSAGES_PER_MINUTE": "6000",
    # Half-open connections are noticed in seconds, so that a test need not wait for minutes.
    "CHAT_PING_SECONDS": "4",
    "CHAT_PONG_SECONDS": "6",
}
LINKS = {"database": ladder.DATABASE, "amqp": ladder.AMQP, "redis": ladder.REDIS}


@dataclass
class System:
    """`services` and `servers` have power over processes; `links`: `database`, `amqp`, `redis`, and `clients`.

    `urls`: the servers themselves, without a proxy, for those who check.
    """

    services: Stack
    servers: Stack
    links: Mapping[str, Proxy]
    urls: Mapping[str, str]
    broker_environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.links['clients'].listening_port}"

    def owner(self, name: str) -> Stack:
        """The stack that a process belongs to."""
        return self.servers if name in {"postgres", "redis", "rabbitmq"} else self.services

    async def kill(self, name: str) -> None:
        """End a process as a crash does."""
        await self.owner(name).kill(name)

    async def start(self, name: str) -> None:
        """Start it again; returns when it answers."""
        await self.owner(name).start(name)


def find(backends: Sequence[Backend], kind: Kind) -> Backend:
    """The backend of a kind."""
    return next(backend for backend in backends if backend.kind == kind)


@asynccontextmanager
async def running(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[System]:
    """Start everything in `folder`, with server programs of this machine. Raises StackError."""
    plain = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    plain["STACK_BACKENDS"] = "native"
    servers = LocalStack(Home(folder / "fault-servers"), plain, tied=True)
    ports = PortBook(Home(folder / "fault-proxies"))
    links: dict[str, Proxy] = {}
    try:
        await servers.up_backends()
        backends = servers.layout.backends
        urls = {name: find(backends, kind).url for name, kind in LINKS.items()}
        for name, url in urls.items():
            links[name] = Proxy.to(url)
            await links[name].start(ports.port(name))
        proxied = {kind.variable: links[name].url(urls[name]) for name, kind in LINKS.items()}
        home = Home(folder / "fault-services")
        settings = {**SETTINGS, **proxied, "CHAT_PORT": str(PortBook(home).port("haproxy"))}
        services = LocalStack(home, {**plain, **settings}, tied=True, launch=launch)
        try:
            await services.up()
            links["clients"] = Proxy.to(services.url)
            await links["clients"].start(ports.port("clients"))
            broker = find(backends, ladder.AMQP).programs[-1].environment
            yield System(Stack(services), Stack(servers), links, urls, broker)
        finally:
            await services.down()
    finally:
        for link in links.values():
            await link.stop()
        await servers.down()
