"""A PostgreSQL primary with a synchronous standby on this machine; a test can swap their roles."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.support.backends import execute
from tests.support.waiting import eventually
from tools.stack.console import Console
from tools.stack.home import Home
from tools.stack.ports import PortBook
from tools.stack.postgres import Postgres
from tools.stack.process import Processes
from tools.stack.starter import Starter

STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'"
SETTLE_SECONDS = 60


@dataclass
class PostgresPair:
    """`url` names both. `primary` and `standby` are names, which `promote` swaps."""

    environment: Mapping[str, str]
    home: Home
    ports: PortBook
    processes: Processes
    starter: Starter
    primary: str = "postgres-a"
    standby: str = "postgres-b"
    servers: dict[str, Postgres] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where services connect: to the server that accepts writes."""
        parts = urlsplit(self.servers[self.primary].url)
        account = parts.netloc.rpartition("@")[0]
        hosts = ",".join(f"127.0.0.1:{self.ports.port(name)}" for name in sorted(self.servers))
        return urlunsplit(parts._replace(netloc=f"{account}@{hosts}", query="connect_timeout=2"))

    async def begin(self) -> None:
        """Start the primary, and a standby that follows it."""
        self.servers[self.primary] = Postgres(self.home, self.ports.port(self.primary), self.primary)
        await self.start(self.primary)
        await self.follow()

    async def follow(self) -> None:
        """Let the standby copy the primary; returns when every commit waits for it.

        A former primary loses its data first, because they may contain what was never replicated.
        """
        standby = Postgres(self.home, self.ports.port(self.standby), self.standby, self.servers[self.primary])
        if self.standby in self.servers:
            standby.forget()
        self.servers[self.standby] = standby
        await self.start(self.standby)
        url = self.servers[self.primary].url
        await execute(url, f"ALTER SYSTEM SET synchronous_standby_names = '\"{self.standby}\"'")
        await execute(url, "SELECT pg_reload_conf()")
        await eventually(self.in_step, SETTLE_SECONDS)

    async def in_step(self) -> bool:
        """Return whether the standby has all that was committed."""
        connection = await asyncpg.connect(self.servers[self.primary].url)
        try:
            return bool(await connection.fetchval(STREAMING))
        finally:
            await connection.close()

    async def start(self, name: str) -> None:
        """Start a server; returns when it answers."""
        program = self.servers[name].programs(self.environment)[0]
        await self.starter.launch(program)
        await self.starter.await_ready(program)

    async def kill(self, name: str) -> None:
        """End a server as a crash does."""
        await self.processes.kill(self.processes.get(name))

    async def promote(self) -> None:
        """Make the standby the primary; returns when it accepts writes. Stop the old one first."""
        url = self.servers[self.standby].url
        self.primary, self.standby = self.standby, self.primary
        await execute(url, "SELECT pg_promote(wait => true, wait_seconds => 30)")
        await execute(url, "ALTER SYSTEM RESET synchronous_standby_names")
        await execute(url, "SELECT pg_reload_conf()")


@asynccontextmanager
async def postgres_pair(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[PostgresPair]:
    """Start the two in `folder`, and stop them afterwards. Raises StackError."""
    home = Home(folder)
    processes = Processes(home, tied=True)
    pair = PostgresPair(environment, home, PortBook(home), processes, Starter(home, processes, Console(quiet=True)))
    try:
        await pair.begin()
        yield pair
    finally:
        for record in processes.living():
            await processes.stop(record)
