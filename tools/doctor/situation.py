"""The system to check: that of the environment's settings, or the local stack with its processes' settings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from tools.target import Process, backend_url, find_url, processes

NAMED_BY = "CHAT_DATABASE_URL"
"""When this variable is set, the environment's system is checked, else the local stack."""


@dataclass(frozen=True, slots=True)
class Situation:
    """`settings`: service → its `CHAT_*` variables; all services have the same ones outside of the local stack.

    `processes` are those of the local stack, none outside of it. `url`: where clients come in, None when nothing says so.
    """

    settings: Mapping[str, Mapping[str, str]]
    database_url: str
    amqp_url: str
    redis_urls: str
    url: str | None
    processes: tuple[Process, ...]

    def setting(self, name: str) -> str | None:
        """The value of a variable in the first service that has it; None when it is unset or empty."""
        return next((found for own in self.settings.values() if (found := own.get(name))), None)


def situation(services: tuple[str, ...]) -> Situation:
    """What the environment or the local stack says. Raises Failure when there is neither."""
    local = NAMED_BY not in os.environ
    running = tuple(processes()) if local else ()
    own = {name: value for name, value in os.environ.items() if name.startswith("CHAT_")}
    settings = {service: _environment_of(service, running) if local else own for service in services}
    return Situation(
        settings=settings,
        database_url=backend_url("database", "CHAT_DATABASE_URL"),
        amqp_url=backend_url("amqp", "CHAT_AMQP_URL"),
        redis_urls=backend_url("redis", "CHAT_REDIS_URLS"),
        url=find_url(),
        processes=running,
    )


def _environment_of(service: str, running: tuple[Process, ...]) -> Mapping[str, str]:
    """The variables that a process of this service was started with; none when it doesn't run."""
    for process in running:
        if process.name.rpartition("-")[0] == service:
            try:
                found = psutil.Process(process.pid).environ()
            except psutil.Error:
                continue
            return {name: value for name, value in found.items() if name.startswith("CHAT_")}
    return {}
