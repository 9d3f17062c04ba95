"""The load balancer's second file, and that HAProxy takes both."""

import os
import subprocess
from pathlib import Path

import pytest

from tools.stack.haproxy import POLICY, SLOTS, Balancer
from tools.stack.home import Home
from tools.stack.ladder import find_program
from tools.stack.ports import PortBook

REPLICAS = {"gateway": 2, "messaging": 1, "presence": 1, "notifier": 1}


@pytest.fixture
def balancer(tmp_path: Path) -> Balancer:
    home = Home(tmp_path)
    return Balancer(home, PortBook(home), 8080, REPLICAS)


def test_slots_are_there_before_their_replicas(balancer: Balancer) -> None:
    """Three gateways instead of two need no new configuration, so nobody's connection is cut."""
    more = Balancer(balancer.home, balancer.ports, balancer.port, {**REPLICAS, "gateway": SLOTS})
    assert more.servers() == balancer.servers()
    assert (
        Balancer(balancer.home, balancer.ports, balancer.port, {**REPLICAS, "gateway": SLOTS + 1}).servers()
        != more.servers()
    )


def test_each_replica_is_at_its_port(balancer: Balancer) -> None:
    assert f"server gateway-2 127.0.0.1:{balancer.ports.port('gateway-2')}" in balancer.servers()


@pytest.mark.parametrize("servers", ["local", "compose.cfg"])
def test_haproxy_accepts_the_configuration(balancer: Balancer, servers: str, tmp_path: Path) -> None:
    program = find_program("haproxy")
    if program is None:
        pytest.skip("needs HAProxy")
    file = POLICY.parent / servers
    if servers == "local":
        file = tmp_path / "servers.cfg"
        file.write_text(balancer.servers())
    environment = {**os.environ, "HAPROXY_BIND": "127.0.0.1:8080", "HAPROXY_STATUS": "127.0.0.1:8081"}
    checked = subprocess.run(
        [program, "-c", "-f", POLICY, "-f", file], env=environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr
