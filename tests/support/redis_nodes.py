"""Redis servers that a test may kill, start again, pause and give new roles."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from tests.support.certificates import Certificates
from tools.stack.errors import NotReady
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.ports import PortBook
from tools.stack.process import Processes
from tools.stack.program import Program

START_SECONDS = 60
POLL_SECONDS = 0.1


@dataclass(frozen=True, eq=False)
class Node:
    """One server of several. `peer_port`: where other servers and clients connect, by TLS when there is TLS."""

    name: str
    port: int
    peer_port: int
    _processes: Processes
    _program: Program
    _client: Redis

    @property
    def address(self) -> str:
        """`host:port`, for clients."""
        return f"127.0.0.1:{self.peer_port}"

    async def start(self) -> None:
        """Start or restart it; returns when it answers."""
        await asyncio.to_thread(self._program.prepare)
        self._processes.start(self._program)
        await until_true(self._answers)

    async def kill(self) -> None:
        """End it as a crash does."""
        await self._processes.kill(self._processes.get(self.name))

    async def stop(self) -> None:
        """End it, if it runs."""
        await self._client.aclose()
        record = self._processes.find(self.name)
        if record is not None:
            self.resume()
            await self._processes.stop(record)

    def pause(self) -> None:
        """Stop it from answering, with its connections open, as a host that hangs does."""
        os.kill(self._processes.get(self.name).pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it."""
        os.kill(self._processes.get(self.name).pid, signal.SIGCONT)

    def client(self) -> AbstractAsyncContextManager[Redis]:
        """redis-py's client of this server; answers are text."""
        return _client_of(self.port)

    async def command(self, *command: str | int) -> Any:
        """Return the answer to one command, as redis-py reads it. Raises RedisError."""
        return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _answers(self) -> bool:
        try:
            await self._program.probe()
        except NotReady:
            return False
        return True


class Nodes:
    """Makes servers below one folder, which end with this process. With certificates, they speak TLS among themselves and
    with clients; tests control them by a plain port.
    """

    def __init__(self, folder: Path, certificates: Certificates | None = None) -> None:
        self._home = Home(folder)
        self._certificates = certificates
        self._ports = PortBook(self._home)
        self._processes = Processes(self._home, tied=True)

    def node(self, name: str, *options: str, sentinel: Sequence[str] = ()) -> Node:
        """A server, not started yet. `sentinel`: lines of a Sentinel's configuration, which makes it one."""
        port = self._ports.port(name)
        data = self._home.data(name)
        peer_port = port if self._certificates is None else self._ports.port(f"{name}/tls")
        command = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data), *self._tls(peer_port), *options]
        configuration: tuple[str, ...] = ()
        if sentinel:
            configuration = (str(data / "sentinel.conf"),)
            command.append("--sentinel")

        def prepare() -> None:
            data.mkdir(parents=True, exist_ok=True)
            for file in configuration:
                # A Sentinel writes into its file what it has learned.
                if not Path(file).exists():
                    Path(file).write_text("\n".join(sentinel) + "\n", encoding="utf-8")

        made = Program(
            name=name,
            command=(program("redis-server"), *configuration, *command),
            port=port,
            probe=partial(_answers_ping, port),
            environment=dict(os.environ),
            prepare=prepare,
            directory=self._home.path,
        )
        return Node(name, port, peer_port, self._processes, made, _client_of(port))

    def _tls(self, port: int) -> list[str]:
        if self._certificates is None:
            return []
        files = self._certificates
        named = {"ca-cert": files.authority, "cert": files.certificate, "key": files.key}
        options = [text for name, file in named.items() for text in (f"--tls-{name}-file", str(file))]
        everywhere = ("--tls-replication", "yes", "--tls-cluster", "yes", "--tls-auth-clients", "no")
        return ["--tls-port", str(port), *options, *everywhere]

    def bus_port(self, name: str) -> int:
        """The port on which a cluster's node `name` speaks with the others."""
        return self._ports.port(f"{name}/bus")


def _client_of(port: int) -> Redis:
    # A server that changes its role closes the connections of its clients.
    again = Retry(NoBackoff(), 1)
    return Redis.from_url(f"redis://127.0.0.1:{port}", decode_responses=True, retry=again)


async def _answers_ping(port: int) -> None:
    """A server or a Sentinel answers. Raises NotReady."""
    try:
        async with Redis.from_url(f"redis://127.0.0.1:{port}") as client:
            await client.ping()
    except AuthenticationError:
        return
    except (OSError, RedisError) as error:
        raise NotReady(f"Redis doesn't answer: {error}") from error


async def until_true(condition: Any, seconds: float = START_SECONDS) -> None:
    """Wait until the awaited `condition()` is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(POLL_SECONDS)
