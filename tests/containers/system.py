"""A system that Docker Compose runs, as tests see it."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from testcontainers.compose import DockerCompose


@dataclass(frozen=True)
class System:
    """What is published: `url` is HAProxy's, `admin_url` the server API's. Webhooks come to `hook_port` of this machine."""

    compose: DockerCompose
    url: str
    admin_url: str
    hook_port: int

    def containers(self, service: str | None = None) -> list[str]:
        """Ids of the containers, also of those that have ended."""
        return _docker(*self._compose("ps", "--all", "--quiet"), *([service] if service else [])).stdout.split()

    def inspect(self, container: str) -> dict[str, Any]:
        """What the engine says of a container."""
        (found,) = json.loads(_docker("docker", "inspect", container).stdout)
        assert isinstance(found, dict)
        return found

    def run(self, service: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run `command` in a running container of `service`."""
        return _docker("docker", "exec", self.containers(service)[0], *command, check=False)

    def once(self, service: str) -> int:
        """Run a service's own command in a new container; its exit status."""
        return _docker(*self._compose("run", "--rm", "--no-deps", service), check=False).returncode

    def chatctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the operator's tool in a container of its own."""
        return _docker(*self._compose("run", "--rm", "--quiet-pull", "chatctl", *arguments), check=False)

    def build(self, service: str) -> None:
        """Build the image of a service that `up` leaves out."""
        _docker(*self._compose("build", "--quiet", service))

    def host(self) -> str:
        """The address of this machine as containers know it, where only they reach it."""
        (found,) = json.loads(_docker("docker", "network", "inspect", "bridge").stdout)
        return str(found["IPAM"]["Config"][0]["Gateway"])

    def stop(self, container: str) -> int:
        """Stop a container as a rollout does; its exit status."""
        _docker("docker", "stop", "--timeout", "60", container)
        return int(self.inspect(container)["State"]["ExitCode"])

    def start(self, container: str) -> None:
        """Start a container that was stopped, and wait until everything is healthy."""
        _docker("docker", "start", container)
        _docker(*self._compose("up", "--detach", "--wait", "--no-build"))

    def _compose(self, *arguments: str) -> list[str]:
        return [*self.compose.docker_compose_command(), *arguments]


def _docker(*command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=check)
