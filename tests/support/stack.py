"""A whole running system, as tests see it: its addresses, and control of its processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tools.bench.target import Target, read_target
from tools.stack.home import Home
from tools.stack.stack import Stack as LocalStack


class Stack:
    """Two gateways behind HAProxy, and the services and servers that they need.

    Processes have the names of `stack.json`: `gateway-1`, `messaging-1`, `postgres`, `redis`, `rabbitmq`, `haproxy` …
    """

    def __init__(self, local: LocalStack) -> None:
        self._local = local
        self._settings: dict[str, dict[str, str]] = {}

    @property
    def url(self) -> str:
        """The load balancer, as `http://127.0.0.1:port`."""
        return self._local.url

    @property
    def ws_url(self) -> str:
        """The endpoint for sockets."""
        return self.url.replace("http", "ws", 1) + "/chat/ws"

    @property
    def admin_url(self) -> str:
        """The server API, which the load balancer doesn't route to."""
        return self._local.layout.admin_url

    @property
    def database_url(self) -> str:
        """The system's own database."""
        return self._setting("CHAT_DATABASE_URL")

    @property
    def redis_url(self) -> str:
        """The system's own Redis."""
        return self._setting("CHAT_REDIS_URLS")

    @property
    def amqp_url(self) -> str:
        """The system's own virtual host."""
        return self._setting("CHAT_AMQP_URL")

    @property
    def target(self) -> Target:
        """The system as measuring tools need it."""
        return read_target(self._local.home.path / "stack.json")

    def names(self, service: str) -> list[str]:
        """The living processes of a service: `gateway` gives `gateway-1`, `gateway-2`."""
        names = [record.name for record in self._local.processes.living()]
        return [name for name in names if name.rpartition("-")[0] == service]

    def direct_url(self, name: str) -> str:
        """A process without the load balancer: one gateway of several, or what isn't routed, such as `/metrics`."""
        return f"http://127.0.0.1:{self._local.processes.get(name).port}"

    @property
    def home(self) -> Home:
        """Where its files are."""
        return self._local.home

    async def migrate(self) -> None:
        """Bring the database to the newest schema."""
        await self._local.migrate()

    def pid(self, name: str) -> int:
        """The id of a living process."""
        return self._local.pid(name)

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return self._local.home.log(name).read_text(encoding="utf-8", errors="replace")

    async def kill(self, name: str) -> None:
        """End a process as a crash does; returns when it is gone."""
        await self._local.kill(name)

    async def stop(self, name: str) -> None:
        """Ask a process to end; returns when it has."""
        await self._local.stop(name)

    async def start(self, name: str, **settings: str) -> None:
        """Start a process that doesn't run; returns when HAProxy finds it healthy.

        It has `settings` on top of those of the `settings` block around the call, and of its own.
        """
        await self._local.start(name, {**self._settings.get(name, {}), **settings})

    async def restart(self, name: str, **settings: str) -> None:
        """Stop and start a process."""
        await self.stop(name)
        await self.start(name, **settings)

    async def revive(self) -> None:
        """Bring back everything that is gone, as `make up` does."""
        await self._local.up()

    @asynccontextmanager
    async def settings(self, *names: str, **settings: str) -> AsyncIterator[None]:
        """Processes with other settings for a while: `stack.settings("notifier-1", CHAT_PUSH_DELAY_SECONDS="1")`.

        A block within another one adds to its settings, and gives them back when it ends.
        """
        before = {name: self._settings.get(name, {}) for name in names}
        await self._restart_with({name: {**before[name], **settings} for name in names})
        try:
            yield
        finally:
            await self._restart_with(before)

    async def _restart_with(self, settings: dict[str, dict[str, str]]) -> None:
        self._settings |= settings
        for name in settings:
            await self.restart(name)

    def setting(self, name: str, process: str = "") -> str:
        """A setting that every service has, or that of one process."""
        for program in self._local.layout.services:
            if program.name == process:
                return program.environment[name]
        return self._setting(name)

    def _setting(self, name: str) -> str:
        return self._local.layout.services[0].environment[name]
