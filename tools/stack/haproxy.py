"""The load balancer, with the configuration of `deploy/haproxy` and the servers of this machine."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.stack import probes
from tools.stack.errors import NotReady
from tools.stack.home import ROOT, Home
from tools.stack.ladder import program
from tools.stack.plan import REPLICAS
from tools.stack.ports import PortBook
from tools.stack.program import Layer, Probe, Program

POLICY = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
SLOTS = 4
"""Configured servers of each service. Up to this many replicas can start and stop without a restart of HAProxy."""
SELDOM = "10s"
"""How often HAProxy looks for servers beyond the usual number, which mostly aren't there."""
FIRST = "1s"
"""HAProxy spreads its first checks over the shortest interval of all servers, and considers a server healthy until then."""
SECTIONS = {"gateway": "websocket", "media": "bulk"}
"""Service → its `defaults` section in the policy; `http` for the others."""
DEVSERVER = "devserver"
TOKEN_BURST = "HAPROXY_TOKEN_BURST"  # noqa: S105 - the name of a variable
TOKEN_REQUESTS = "HAPROXY_TOKEN_REQUESTS"  # noqa: S105 - the name of a variable
TOKEN_HANDSHAKES = "HAPROXY_TOKEN_HANDSHAKES"  # noqa: S105
REST_RATE, USUAL_REST_RATE = "CHAT_REST_REQUESTS_PER_SECOND", 20
REST_BURST, USUAL_REST_BURST = "CHAT_REST_BURST", 100
HANDSHAKES, USUAL_HANDSHAKES = "CHAT_HANDSHAKES_PER_MINUTE", 60
ANY_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class Balancer:
    """Balances `replicas` (service → number) on `port`, and reports their health on a separate port."""

    home: Home
    ports: PortBook
    port: int
    replicas: Mapping[str, int]

    def servers(self) -> str:
        """Return the second configuration file: a `backend` section for each service."""
        sections = []
        for service, count in self.replicas.items():
            lines = [f"backend {service} from {SECTIONS.get(service, 'http')}"]
            for number in range(1, max(SLOTS, count) + 1):
                name = f"{service}-{number}"
                seldom = f" inter {FIRST} downinter {SELDOM}" if number > REPLICAS[service][1] else ""
                lines.append(f"    server {name} 127.0.0.1:{self.ports.port(name)}{seldom}")
            sections.append("\n".join(lines))
        only = f"backend {DEVSERVER} from http\n    server {DEVSERVER} 127.0.0.1:{self.ports.port(DEVSERVER)}\n"
        return "\n\n".join([*sections, only])

    def program(self, environment: Mapping[str, str]) -> Program:
        """Return HAProxy, which is ready when it finds all servers healthy."""
        folder, configuration = self.home.data("haproxy"), self.servers()
        file = folder / "servers.cfg"
        balancing = {
            TOKEN_BURST: str(token_requests(environment, 2)),
            TOKEN_REQUESTS: str(token_requests(environment, 10)),
            TOKEN_HANDSHAKES: str(token_handshakes(environment)),
        }
        bind, status = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.ports.port('haproxy/status')}"

        def prepare() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(configuration, encoding="utf-8")

        return Program(
            name="haproxy",
            command=(program("haproxy"), "-db", "-f", str(POLICY), "-f", str(file)),
            port=self.port,
            probe=self.healthy({**self.replicas, DEVSERVER: 1}),
            environment={**environment, **balancing, "HAPROXY_BIND": bind, "HAPROXY_STATUS": status},
            settings={**balancing, "bind": bind, "status": status, "servers": configuration, "policy": digest(POLICY)},
            prepare=prepare,
            layer=Layer.SERVICE,
            stop_seconds=5,
        )

    def healthy(self, exactly: Mapping[str, int]) -> Probe:
        """Return a probe that HAProxy finds exactly this many servers of each service healthy.

        More would be wrong too: before its first checks HAProxy considers every server healthy.
        """
        return partial(_healthy, self.ports.port("haproxy/status"), exactly)


async def _healthy(port: int, exactly: Mapping[str, int]) -> None:
    found: dict[str, int] = json.loads(await probes.http_ready(port, "/"))
    wrong = [f"{found[service]} of {count} {service}" for service, count in exactly.items() if found[service] != count]
    if wrong:
        raise NotReady(f"HAProxy finds {', '.join(wrong)} healthy")


def token_requests(environment: Mapping[str, str], seconds: int) -> int:
    """Return how many requests of one token to one service HAProxy allows in `seconds`: a quarter more than the service."""
    rate = float(environment.get(REST_RATE, USUAL_REST_RATE))
    burst = int(environment.get(REST_BURST, USUAL_REST_BURST))
    return round(1.25 * seconds * rate) + burst if rate else ANY_NUMBER


def token_handshakes(environment: Mapping[str, str]) -> int:
    """Return the same for handshakes: a bit more than a user may make in a minute."""
    return int(environment.get(HANDSHAKES, USUAL_HANDSHAKES)) * 5 // 4 or ANY_NUMBER


def digest(file: Path) -> str:
    """Return a hash of the content of `file`."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
