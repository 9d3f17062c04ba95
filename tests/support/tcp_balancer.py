"""HAProxy in front of interchangeable TCP servers: one address, which leads to those that run."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tools.stack import probes
from tools.stack.console import Console
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.ports import PortBook
from tools.stack.process import Processes
from tools.stack.program import Program
from tools.stack.starter import Starter

CONFIGURATION = """\
defaults
    mode tcp
    timeout connect 2s
    # AMQP's heartbeats come every 10 s.
    timeout client 60s
    timeout server 60s
    retries 2
    option redispatch
listen servers
    bind 127.0.0.1:{port}
    balance leastconn
    default-server check inter 500ms fall 2 rise 2 on-marked-down shutdown-sessions
{servers}
"""


@asynccontextmanager
async def balanced(folder: Path, ports: Sequence[int]) -> AsyncIterator[int]:
    """Return the port that leads to those servers on `ports` that run. Raises StackError."""
    home = Home(folder)
    processes = Processes(home, tied=True)
    port = PortBook(home).port("balancer")
    servers = "\n".join(f"    server {number} 127.0.0.1:{server}" for number, server in enumerate(ports, 1))
    file = home.path / "balancer.cfg"
    file.write_text(CONFIGURATION.format(port=port, servers=servers), encoding="utf-8")
    balancer = Program(
        name="balancer",
        command=(program("haproxy"), "-db", "-f", str(file)),
        port=port,
        probe=partial(probes.listening, port),
        environment={},
    )
    starter = Starter(home, processes, Console(quiet=True))
    try:
        await starter.launch(balancer)
        await starter.await_ready(balancer)
        yield port
    finally:
        for record in processes.living():
            await processes.kill(record)
