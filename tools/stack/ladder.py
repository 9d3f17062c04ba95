"""The source of each backend: the first one of these that is available.

1. its URL is given; 2. Docker, if an engine answers; 3. its programs, if they are on this machine; 4. apt, as root on Debian.
An engine without an image comes last, because it may be unable to fetch it.

It uses only the standard library, because the installer needs it before anything is installed.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

from tools.stack.errors import NoServer, StackError

WISH = "STACK_BACKENDS"
DOCKER_SECONDS = 5
PROGRAM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/lib/rabbitmq/bin",
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/rabbitmq/sbin",
)
"""Searched before PATH: on Debian `initdb` is not in PATH, and the `rabbitmq-server` there controls only the system's broker."""
SBIN = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


class Source(Enum):
    """The sources of a backend, in this order."""

    GIVEN = "given"
    DOCKER = "docker"
    NATIVE = "native"
    APT = "apt"


@dataclass(frozen=True)
class Kind:
    """A kind of server: its setting, the programs that it needs, and the Debian package that brings them."""

    title: str
    variable: str
    programs: tuple[str, ...]
    package: str
    folder: str
    """Where the private server keeps its data, in the home of a stack."""
    image: str
    """What Docker runs."""


DATABASE = Kind("PostgreSQL", "CHAT_DATABASE_URL", ("initdb", "postgres"), "postgresql", "postgres", "postgres:17")
AMQP = Kind("RabbitMQ", "CHAT_AMQP_URL", ("rabbitmq-server", "epmd"), "rabbitmq-server", "rabbitmq", "rabbitmq:4.1")
REDIS = Kind("Redis", "CHAT_REDIS_URLS", ("redis-server",), "redis-server", "redis", "redis:7.4")
KINDS = (DATABASE, AMQP, REDIS)


@dataclass(frozen=True)
class Machine:
    """The sources that this machine has."""

    environment: Mapping[str, str]
    has_docker: bool
    can_apt: bool
    has_images: bool = True
    """Docker has the images of all kinds. With only some of them, servers would come from two sources."""

    @classmethod
    def look(cls, environment: Mapping[str, str]) -> "Machine":
        """Look at this machine.

        `STACK_BACKENDS=native` skips Docker, `docker` requires it. Raises StackError for another value.
        """
        wish = environment.get(WISH, "auto")
        if wish not in {"auto", "docker", "native"}:
            raise StackError(f"{WISH}={wish}: must be auto, docker or native")
        answers = wish != "native" and docker_answers()
        if wish == "docker" and not answers:
            raise StackError(f"{WISH}=docker, but no Docker engine answers `docker version`")
        can_apt = os.geteuid() == 0 and shutil.which("apt-get") is not None
        return cls(environment, answers, can_apt, answers and has_images())

    def source(self, kind: Kind, *, has_native_data: bool = False) -> Source:
        """Return the first available source of `kind`. Raises NoServer, which lists all sources.

        When private programs have data, they stay the source unless Docker is required: a Docker engine that was started
        meanwhile must not hide the data.
        """
        if self.environment.get(kind.variable):
            return Source.GIVEN
        has_programs = all(find_program(program) for program in kind.programs)
        stays_native = has_programs and has_native_data
        comes_first = self.has_images and not stays_native
        if self.has_docker and (comes_first or self.environment.get(WISH) == "docker"):
            return Source.DOCKER
        if has_programs:
            return Source.NATIVE
        if self.can_apt:
            return Source.APT
        if self.has_docker:
            return Source.DOCKER
        raise NoServer(
            f"no {kind.title} for the local stack. Any of these gives it one:\n"
            f"  1. {kind.variable}=… names a running server\n"
            f"  2. a Docker engine that answers `docker version`\n"
            f"  3. its programs ({', '.join(kind.programs)}) on this machine, such as from the package "
            f"{kind.package}; as root on Debian or Ubuntu they are installed for you"
        )


def docker_answers() -> bool:
    """Return whether there is a usable Docker engine."""
    return _docker_says_yes("version", "--format", "{{.Server.Version}}")


def has_images() -> bool:
    """Whether the engine could start every kind without fetching anything."""
    return _docker_says_yes("image", "inspect", *(kind.image for kind in KINDS))


def _docker_says_yes(*arguments: str) -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        done = subprocess.run([docker, *arguments], capture_output=True, timeout=DOCKER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def find_program(name: str) -> Path | None:
    """Return the path of a server program; of several versions the newest."""
    for pattern in PROGRAM_FOLDERS:
        found = sorted(Path("/").glob(f"{pattern[1:]}/{name}"), key=_version)
        if found:
            return found[-1]
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(SBIN))
    return Path(path) if path else None


@cache
def program(name: str) -> str:
    """Where a server program is. Raises StackError when it isn't installed."""
    path = find_program(name)
    if path is None:
        raise StackError(f"the program {name} isn't installed")
    return str(path)


def _version(path: Path) -> list[int]:
    """The numbers in a path: 15 in /usr/lib/postgresql/15/bin/initdb."""
    return [int(part) for part in "".join(c if c.isdigit() else " " for c in str(path)).split()]
