"""`docker compose up` gives the whole system: the page, its client, messages, and a stop that loses nothing."""

import asyncio
import json
import subprocess

import httpx
import pytest

from tests.containers.system import System
from tests.support.people import People, text_message
from tools.checkers import checker
from tools.dashboards.families import SERVICES

ASK_METRICS = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:8000/metrics").read().decode())
"""


@pytest.mark.parametrize("path", ["/", "/client/src/index.js", "/docs/"])
def test_the_development_server_is_reached(system: System, path: str) -> None:
    assert httpx.get(system.url + path).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_not_routed(system: System, path: str) -> None:
    assert httpx.get(system.url + path).status_code == 404


def test_a_login_gives_a_token_that_services_take(system: System) -> None:
    login = httpx.post(f"{system.url}/dev/login", json={"username": "alice"}).json()
    headers = {"Authorization": f"Bearer {login['token']}"}
    for path in ("/chat/conversations", "/chat/friends", "/chat/push/key"):
        assert httpx.get(system.url + path, headers=headers).status_code == 200, path
    assert httpx.get(f"{system.url}/chat/users/me", headers=headers).json()["username"] == "alice"


async def test_a_message_arrives(people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation = await alice.conversation_with(bob)
    sender, receiver = await alice.connect(), await bob.connect()
    await sender.send("message.send", **text_message(conversation, "Hello there!", "t1"))
    sent = await sender.expect("message.sent", tempId="t1")
    new = await receiver.expect("message.new")
    assert new["payload"]["message"]["id"] == sent["payload"]["message"]["id"]


async def test_a_gateway_that_is_stopped_loses_nothing(system: System, people: People) -> None:
    alice, bob = people.make("alice"), people.make("bob")
    conversation = await alice.conversation_with(bob)
    sockets = [await bob.connect() for _ in range(4)]
    cursor = sockets[0].cursor
    leaving, staying = system.containers("gateway")
    assert await asyncio.to_thread(system.stop, leaving) == 0
    assert {socket.close_code for socket in sockets if socket.connection.close_code is not None} == {1001}
    sender = await alice.connect()
    await sender.send("message.send", **text_message(conversation, "while bob was away", "t1"))
    await sender.expect("message.sent", tempId="t1")
    back = await bob.connect(cursor=cursor, greet=False)
    assert (await back.expect("connection.success"))["payload"]["recovered"] is True
    assert (await back.expect("message.new"))["payload"]["message"]["content"] == "while bob was away"
    await asyncio.to_thread(system.start, leaving)
    assert system.inspect(staying)["RestartCount"] == 0


def test_migrations_may_run_again(system: System) -> None:
    assert system.once("migrations") == 0


def test_containers_are_confined(system: System) -> None:
    for container in system.containers():
        host = system.inspect(container)["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] > 0
        published = [binding["HostIp"] for bindings in (host["PortBindings"] or {}).values() for binding in bindings]
        assert set(published) <= {"127.0.0.1"}


@pytest.mark.parametrize("service", [*SERVICES, "devserver"])
def test_a_service_runs_unprivileged(system: System, service: str) -> None:
    assert system.run(service, "id", "-u").stdout == "10001\n"
    assert system.run(service, "touch", "/app/new").returncode != 0
    assert "CapEff:\t0000000000000000" in system.run(service, "cat", "/proc/1/status").stdout


@pytest.mark.parametrize("service", SERVICES)
def test_live_metrics_are_well_formed(system: System, service: str) -> None:
    exported = system.run(service, "python", "-c", ASK_METRICS).stdout
    assert f"chat_{'push' if service == 'notifier' else service}_" in exported
    done = subprocess.run(
        [checker("promtool"), "check", "metrics"], input=exported, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_logs_are_json_lines(system: System) -> None:
    done = subprocess.run(
        ["docker", "logs", system.containers("messaging")[0]], capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert lines
    assert all(json.loads(line)["service"] == "messaging" for line in lines)
