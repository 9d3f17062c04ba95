"""The load balancer's second file, and that HAProxy takes both."""

import asyncio
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from shared.protocol.errors import ErrorCode, ProtocolError
from tests.support.gateway import eventually
from tests.support.plain_http import plain_http
from tools.stack.haproxy import POLICY, SLOTS, Balancer
from tools.stack.home import Home
from tools.stack.ladder import find_program
from tools.stack.ports import PortBook

REPLICAS = {"gateway": 2, "messaging": 1, "presence": 1, "notifier": 1, "media": 1}


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


async def test_a_service_that_fails_to_answer_is_unavailable(balancer: Balancer, tmp_path: Path) -> None:
    program = find_program("haproxy")
    if program is None:
        pytest.skip("needs HAProxy")

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/readyz" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        elif b"/chat/unread" in head:
            await reader.read()
        writer.close()

    policy, servers = tmp_path / "policy.cfg", tmp_path / "servers.cfg"
    policy.write_text(POLICY.read_text().replace("timeout server 30s", "timeout server 200ms"))
    servers.write_text(balancer.servers())
    url = f"http://127.0.0.1:{balancer.ports.port('haproxy')}"
    environment = {**os.environ, "HAPROXY_BIND": url.removeprefix("http://")}
    server = await asyncio.start_server(fail, "127.0.0.1", balancer.ports.port("messaging-1"))
    process = await asyncio.create_subprocess_exec(
        program, "-db", "-f", str(policy), "-f", str(servers), env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        # On a connection that served a request before, HAProxy closes instead, for the client to try again.
        async with server, plain_http(url, headers={"Connection": "close"}) as client:

            async def healthy() -> bool:
                try:
                    return (await client.get("/healthz")).status_code == 404
                except httpx.ConnectError:
                    return False

            await eventually(healthy)
            for path in ("/chat/blocks", "/chat/unread"):
                response = await client.get(path)
                assert (response.status_code, response.headers["retry-after"]) == (503, "1")
                expected = ProtocolError(ErrorCode.UNAVAILABLE, retry_after=1).builtins()
                assert response.json() == expected
    finally:
        process.terminate()
        await process.wait()
