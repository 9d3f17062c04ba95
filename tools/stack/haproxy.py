"""The load balancer, with the configuration of `deploy/haproxy` and the servers of this machine."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tools.stack import probes
from tools.stack.home import ROOT, Home
from tools.stack.ladder import program
from tools.stack.ports import PortBook
from tools.stack.program import Layer, Program

POLICY = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
SLOTS = 4
"""Servers of each service that are configured before they exist: up to so many replicas come and go without a restart."""
DEFAULTS = {"gateway": "websocket"}
"""Service → its `defaults` section in the policy; `http` for the others."""


def servers(ports: PortBook, replicas: Mapping[str, int]) -> str:
    """The second configuration file: a `backend` section for each service."""
    sections = []
    for service, count in replicas.items():
        lines = [f"backend {service} from {DEFAULTS.get(service, 'http')}"]
        for number in range(1, max(SLOTS, count) + 1):
            name = f"{service}-{number}"
            lines.append(f"    server {name} 127.0.0.1:{ports.port(name)}")
        sections.append("\n".join(lines))
    return "\n\n".join(
        [*sections, f"backend devserver from http\n    server devserver 127.0.0.1:{ports.port('devserver')}\n"]
    )


def haproxy(home: Home, port: int, configuration: str, environment: Mapping[str, str]) -> Program:
    """The program that listens on `port`; another `configuration` (of `servers`) asks for a restart."""
    folder = home.data("haproxy")
    file = folder / "servers.cfg"

    def prepare() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(configuration, encoding="utf-8")

    return Program(
        name="haproxy",
        command=(program("haproxy"), "-db", "-f", str(POLICY), "-f", str(file)),
        port=port,
        probe=partial(probes.listening, port),
        environment={**environment, "HAPROXY_BIND": f"127.0.0.1:{port}"},
        settings={"port": str(port), "servers": configuration, "policy": digest(POLICY)},
        prepare=prepare,
        layer=Layer.SERVICE,
        stop_seconds=5,
    )


def digest(file: Path) -> str:
    """What changes when the content of `file` does."""
    import hashlib

    return hashlib.sha256(file.read_bytes()).hexdigest()
