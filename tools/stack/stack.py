"""A whole stack: changes the running processes into the wanted ones."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from tools.stack import ladder, services
from tools.stack.backends import Backend
from tools.stack.console import Console
from tools.stack.errors import StackError
from tools.stack.home import Home, read_json, write_private
from tools.stack.layout import Layout, lay_out
from tools.stack.plan import UNROUTED, Plan
from tools.stack.ports import is_free
from tools.stack.process import Launch, Processes, popen
from tools.stack.program import Layer, Program
from tools.stack.starter import Starter, all_of, answers_within, together

GIVEN_SECONDS = 10
"""Timeout in seconds for a server whose URL was given, because it should run already."""
BALANCER_SECONDS = 15
MIGRATION_SECONDS = 120


class Stack:
    """The stack in `home`. `environment` is what its processes inherit. `tied` ones end when this process does."""

    def __init__(
        self,
        home: Home,
        environment: Mapping[str, str],
        console: Console | None = None,
        *,
        tied: bool = False,
        launch: Launch = popen,
    ) -> None:
        self.home = home
        self.processes = Processes(home, tied=tied, launch=launch)
        self._environment = dict(environment)
        self._console = console or Console(quiet=True)
        self._starter = Starter(home, self.processes, self._console)
        self._session = home.path / "session.json"
        self._file = home.path / "stack.json"
        self._layout: Layout | None = None
        self._plan = Plan()

    def running_plan(self) -> Plan:
        """Return the plan of the running processes; an empty plan when none runs."""
        return Plan.stored(read_json(self._session)) if self.processes.living() else Plan()

    @property
    def layout(self) -> Layout:
        """Return the layout of everything that should run: the environment's settings, completed by those of the running stack.

        Raises StackError when it can't be had on this machine.
        """
        if self._layout is None:
            plan = Plan.of(self._environment).over(self.running_plan())
            running = {record.name for record in self.processes.living()}
            self._layout, self._plan = lay_out(plan, self.home, self._environment, running), plan
        return self._layout

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.layout.url

    async def up(self) -> list[str]:
        """Start what is missing, restart what has other settings, stop surplus processes, and wait until all is ready.

        Returns the names of the processes that were started. Raises StackError.
        """
        await self._stop_surplus()
        await self._stop_changed()
        edge = self._missing(self.layout.edge)
        if self.layout.proxy in edge:
            require_free(self.layout.proxy.port)
        servers = await self._launch_servers()
        # Services that ran until now had a migrated database; otherwise this passes the time until the broker is up.
        fresh = all(program in edge for program in self.layout.services)
        await all_of([self._await_backends(), *([self._migrate_when_possible()] if fresh else [])])
        for program in edge:
            await self._starter.launch(program)
        await self._starter.await_all(self.layout.edge)
        self._write()
        return [program.name for program in (*servers, *edge)]

    async def up_backends(self) -> list[str]:
        """Start the backends that are missing, side by side, and wait until all answer. Returns the started names."""
        servers = await self._launch_servers()
        await self._await_backends()
        self._write()
        return [program.name for program in servers]

    async def down(self) -> None:
        """Stop all processes: first those that clients connect to, then the backends. Data stays."""
        for layer in sorted(Layer, reverse=True):
            living = [record for record in self.processes.living() if record.layer == layer]
            for record in living:
                self._console.step(f"stopping {record.name}")
            await together(self.processes.stop(record) for record in living)
        self._file.unlink(missing_ok=True)
        self._session.unlink(missing_ok=True)

    async def migrate(self) -> None:
        """Bring the database to the newest schema. Raises StackError with what was printed when that fails."""
        self._console.step("migrating the database")
        program = services.migrations(self.layout.services[0].environment)
        status, output = await self.processes.run(program, MIGRATION_SECONDS)
        if status != 0:
            raise StackError(f"the database can't be migrated:\n{output}")

    async def start(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        """Start one process that doesn't run, and wait until it is ready. `settings` are added to its own."""
        program = self._program(name)
        if settings:
            program = dataclasses.replace(program, environment={**program.environment, **settings})
        if self.processes.find(name) is None:
            await self._starter.launch(program)
        await self._starter.await_ready(program)
        self._write()
        if program.layer == Layer.SERVICE and self.processes.find(self.layout.proxy.name) is not None:
            await answers_within(BALANCER_SECONDS, self.layout.balancer.healthy(self._replicas_alive()), "HAProxy")

    async def stop(self, name: str) -> None:
        """Terminate one process, and wait until it has ended."""
        await self.processes.stop(self.processes.get(name))
        self._write()

    async def kill(self, name: str) -> None:
        """Kill one process, as a crash would."""
        await self.processes.kill(self.processes.get(name))

    def pid(self, name: str) -> int:
        """The id of a living process. Raises StackError when it doesn't run."""
        return self.processes.get(name).pid

    async def _launch_servers(self) -> list[Program]:
        """Start the programs of backends that are missing; those that others need to start are waited for."""
        missing = self._missing(self.layout.servers)
        for layer in (Layer.FOUNDATION, Layer.SERVER):
            programs = [program for program in missing if program.layer == layer]
            await together(self._starter.launch(program) for program in programs)
            if layer == Layer.FOUNDATION:
                await self._starter.await_all(programs)
        return missing

    async def _await_backends(self) -> None:
        await all_of(self._await_backend(backend) for backend in self.layout.backends)

    async def _await_backend(self, backend: Backend) -> None:
        """Wait until a backend answers, whether it is the stack's own or was given by URL."""
        if backend.programs:
            await self._starter.await_all(backend.programs)
        else:
            await answers_within(GIVEN_SECONDS, backend.probe, backend.kind.variable)

    async def _migrate_when_possible(self) -> None:
        await self._await_backend(self.layout.backend(ladder.DATABASE))
        await self.migrate()

    def _replicas_alive(self) -> dict[str, int]:
        """Return service → number of its running processes, for those that HAProxy routes to."""
        alive = {record.name for record in self.processes.living()}
        names = [program.name for program in self.layout.services if program.name in alive]
        counts = Counter(name.rpartition("-")[0] or name for name in names)
        return {service: count for service, count in counts.items() if service not in UNROUTED}

    async def _stop_surplus(self) -> None:
        names = {program.name for program in (*self.layout.servers, *self.layout.edge)}
        surplus = [record for record in self.processes.living() if record.name not in names]
        for record in surplus:
            self._console.step(f"stopping {record.name}, which isn't asked for any more")
        await together(self.processes.stop(record) for record in surplus)

    async def _stop_changed(self) -> None:
        stale = []
        for program in (*self.layout.servers, *self.layout.edge):
            record = self.processes.find(program.name)
            if record is not None and record.settings != dict(program.settings):
                changed = ", ".join(sorted(_difference(record.settings, program.settings)))
                self._console.step(f"stopping {program.name}, whose settings have changed: {changed}")
                stale.append(record)
        await together(self.processes.stop(record) for record in stale)

    def _missing(self, programs: Sequence[Program]) -> list[Program]:
        return [program for program in programs if self.processes.find(program.name) is None]

    def _program(self, name: str) -> Program:
        for program in (*self.layout.servers, *self.layout.edge):
            if program.name == name:
                return program
        raise StackError(f"there is no process {name} in this stack")

    def _write(self) -> None:
        """Store the plan, and `stack.json`, the public description of what runs."""
        write_private(self._session, json.dumps(self._plan.document()))
        write_private(self._file, json.dumps(self.layout.document(self.processes.living()), indent=2))


def require_free(port: int) -> None:
    """Raise StackError when another program listens on the port for clients."""
    if not is_free(port):
        raise StackError(f"port {port} is taken by another program; CHAT_PORT={port + 1} takes another port")


def _difference(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """Return the keys whose values differ."""
    return {key for key, _ in one.items() ^ other.items()}
