"""The layout of a stack on this machine: every program with its port, in the order of starting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.stack import docker, services
from tools.stack.backends import STACK_KEYS, Backend, Site
from tools.stack.haproxy import Balancer
from tools.stack.home import Home
from tools.stack.ladder import Kind, Machine
from tools.stack.plan import Plan
from tools.stack.ports import PortBook
from tools.stack.process import Record
from tools.stack.program import Program


@dataclass(frozen=True)
class Layout:
    """The backends' programs come first, then the services, then the load balancer."""

    backends: list[Backend]
    services: list[Program]
    balancer: Balancer
    proxy: Program

    @property
    def servers(self) -> list[Program]:
        """The programs of all backends."""
        return [program for backend in self.backends for program in backend.programs]

    @property
    def edge(self) -> list[Program]:
        """Return the programs that need the backends."""
        return [*self.services, self.proxy]

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.balancer.port}"

    @property
    def admin_url(self) -> str:
        """Where the platform's back end calls the server API."""
        port = next(program.port for program in self.services if program.name == "admin-1")
        return f"http://127.0.0.1:{port}"

    def backend(self, kind: Kind) -> Backend:
        """The backend of a kind."""
        return next(backend for backend in self.backends if backend.kind == kind)

    def document(self, living: list[Record]) -> dict[str, Any]:
        """The content of `stack.json`: `{url, adminUrl, backends: {database, amqp, redis}, processes: [{name, pid, port}]}`."""
        return {
            "url": self.url,
            "adminUrl": self.admin_url,
            "backends": {key: self.backend(kind).url for key, kind in STACK_KEYS.items()},
            "processes": [{"name": record.name, "pid": record.pid, "port": record.port} for record in living],
        }


def lay_out(plan: Plan, home: Home, environment: Mapping[str, str], running: set[str]) -> Layout:
    """Choose the source of each backend, and all ports. `running`: names of running processes.

    Raises NoServer when a backend can't be had, StackError when a program is missing.
    """
    machine = Machine.look({**environment, **plan.settings})
    ports = PortBook(home)
    # A container continues when its `docker run` is killed, and keeps its port until it is started again.
    ports.release_taken(running | docker.left_behind(home) if machine.has_docker else running)
    backends = Site(machine, home, ports, environment).backends()
    urls = {backend.kind.variable: backend.url for backend in backends}
    common = services.environment(plan, home, urls, environment)
    balancer = Balancer(home, ports, plan.port, plan.routed)
    return Layout(
        backends, services.programs(plan, ports, common), balancer, balancer.program({**environment, **plan.settings})
    )
