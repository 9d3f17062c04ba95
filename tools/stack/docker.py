"""Backends in containers, when a Docker engine answers.

Each container is attached to a `docker run` process, which is the stack's process; the container stops with it.
"""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from tools.stack import ladder
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.postgres import DATABASE, SETTINGS
from tools.stack.program import Probe, Program
from tools.stack.redis import DURABILITY

PULL_SECONDS = 600
"""Time limit of the first start, which may fetch the image."""


@dataclass(frozen=True)
class Container:
    """How a server runs in a container: `port` and `data` are inside it."""

    image: str
    port: int
    data: str
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()


def postgres(password: str) -> Container:
    """PostgreSQL with the settings of the private one."""
    ours = {
        name: value for name, value in SETTINGS.items() if name not in {"listen_addresses", "unix_socket_directories"}
    }
    options = tuple(f"-c{name}={value}" for name, value in ours.items())
    environment = {"POSTGRES_USER": DATABASE, "POSTGRES_DB": DATABASE, "POSTGRES_PASSWORD": password}
    return Container(ladder.DATABASE.image, 5432, "/var/lib/postgresql/data", environment, options)


def redis() -> Container:
    """Redis with the settings of the private one."""
    return Container(ladder.REDIS.image, 6379, "/data", {}, DURABILITY)


def rabbitmq() -> Container:
    """RabbitMQ with a fixed node name, because its data belongs to that name."""
    return Container(ladder.AMQP.image, 5672, "/var/lib/rabbitmq", {"RABBITMQ_NODENAME": "chat@localhost"})


def contained(
    home: Home, name: str, port: int, container: Container, probe: Probe, environment: Mapping[str, str]
) -> Program:
    """The program `name`, which serves `container` on `port` of the loopback address."""
    full_name = container_name(home, name)
    docker = program("docker")
    given = [f"--env={key}={value}" for key, value in container.environment.items()]

    def clear() -> None:
        """Remove the container whose `docker run` was killed; its volume stays."""
        subprocess.run([docker, "rm", "--force", full_name], capture_output=True, check=False)

    return Program(
        name=name,
        command=(
            *(docker, "run", "--rm", "--name", full_name, "--publish", f"127.0.0.1:{port}:{container.port}"),
            *("--volume", f"{full_name}:{container.data}", *given, container.image, *container.arguments),
        ),
        port=port,
        probe=probe,
        environment=environment,
        prepare=clear,
        start_seconds=PULL_SECONDS,
        stop_seconds=30,
    )


def left_behind(home: Home) -> set[str]:
    """Return the programs of `home` that have a container, with or without a process of the stack."""
    prefix = container_name(home, "")
    asked = [program("docker"), "ps", "--filter", f"name={prefix}", "--format", "{{.Names}}"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return {name.removeprefix(prefix) for name in listed}


def container_name(home: Home, name: str) -> str:
    """Return the container name of the program `name`.

    It differs for each home, because Docker's names are global on a machine.
    """
    return f"chat-{hashlib.sha256(str(home.path).encode()).hexdigest()[:8]}-{name}"
