"""docker-compose.yml: valid, confined to this machine, hardened, and told only settings that exist."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.gateway.drain import ANSWER_SECONDS, FINISH_SECONDS
from services.gateway.settings import GatewaySettings
from shared.settings import ServiceSettings
from tests.unit.deploy.manifests import ROOT
from tools.checkers import checker
from tools.dashboards.families import SERVICES
from tools.docs.configuration import settings_of
from tools.stack.redis import DURABILITY

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
WITHOUT_CHECK = {"haproxy", "prometheus", "grafana"}
"""Their images have no program that could ask them; nothing waits for them."""
MAXMEMORY = ["--maxmemory", "384mb"]
"""Three quarters of the memory limit of its container."""


def test_the_schema_holds() -> None:
    command = [checker("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_parts_are_there() -> None:
    assert CONTAINERS["chatctl"]["profiles"] == ["tools"]
    parts = {"postgres", "redis", "rabbitmq", "migrations", "devserver", "haproxy", *SERVICES}
    assert {name for name, container in CONTAINERS.items() if "profiles" not in container} == parts
    assert CONTAINERS["gateway"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_is_hardened(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["restart"]
    assert container["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_an_image_can_be_another(name: str) -> None:
    image = CONTAINERS[name]["image"]
    assert image.startswith("${")
    assert ":-" in image
    assert not image.endswith(":latest}")


@pytest.mark.parametrize("name", CONTAINERS)
def test_ports_are_of_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:${") for port in CONTAINERS[name].get("ports", []))


def test_backends_reach_nothing() -> None:
    assert COMPOSE["networks"]["backends"]["internal"] is True
    for name in ("postgres", "redis", "rabbitmq"):
        assert CONTAINERS[name]["networks"] == ["backends"]
        assert "ports" not in CONTAINERS[name]


def test_what_is_waited_for_can_be_healthy() -> None:
    ours = {name for name, container in CONTAINERS.items() if "build" in container}
    for container in CONTAINERS.values():
        for needed, how in container.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert needed in ours or "test" in CONTAINERS[needed]["healthcheck"]
    assert WITHOUT_CHECK.isdisjoint(ours)


def test_redis_is_configured_as_in_the_local_stack() -> None:
    assert CONTAINERS["redis"]["command"] == ["redis-server", *DURABILITY, *MAXMEMORY]
    assert CONTAINERS["redis"]["deploy"]["resources"]["limits"]["memory"] == "512M"


@pytest.mark.parametrize("name", [*SERVICES, "migrations", "devserver", "chatctl"])
def test_the_operators_settings_come_last(name: str) -> None:
    development, own = CONTAINERS[name]["env_file"]
    assert development["path"] == "deploy/compose/development.env"
    assert own == {"path": "${CHAT_ENV_FILE:-chat.env}", "required": False}
    # Values here would override both files.
    assert CONTAINERS[name]["environment"].keys() <= {"SERVICE", "CHAT_DEV_LOGIN", "CHAT_URL"}


def test_the_example_has_every_setting() -> None:
    example = (ROOT / "deploy/compose/chat.env.example").read_text(encoding="utf-8")
    listed = re.findall(r"^#(CHAT_\w+)=", example, re.MULTILINE)
    assert len(listed) == len(set(listed))
    for service in SERVICES:
        names = {f"CHAT_{name.upper()}" for name in settings_of(service).model_fields}
        assert names - set(listed) == {"CHAT_HTTP_HOST", "CHAT_HTTP_PORT", "CHAT_INSTANCE"}


def test_haproxy_stops_before_it_is_killed() -> None:
    policy = (ROOT / "deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    found = re.search(r"^ +hard-stop-after (\d+)s$", policy, re.MULTILINE)
    assert found is not None
    assert int(found[1]) < int(CONTAINERS["haproxy"]["stop_grace_period"].removesuffix("s"))


def test_haproxys_limits_can_follow_those_of_the_services() -> None:
    policy = (ROOT / "deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    limits = re.findall(r"^ +presetenv (HAPROXY_TOKEN_\w+) ", policy, re.MULTILINE)
    assert len(limits) == 3
    # A variable without a value is passed on where it is set, and otherwise left to the policy.
    assert {name for name, value in CONTAINERS["haproxy"]["environment"].items() if value is None} == set(limits)


def tls_services() -> dict[str, dict[str, Any]]:
    """What deploy/compose/tls.yml changes."""
    text = (ROOT / "deploy/compose/tls.yml").read_text(encoding="utf-8")
    services: dict[str, dict[str, Any]] = yaml.safe_load(text.replace("!override", ""))["services"]
    return services


def test_nobody_logs_in_without_a_password_over_tls() -> None:
    """A value here is stronger than any env_file, so the operator's own file can't undo it by mistake."""
    assert CONTAINERS["devserver"]["environment"] == {"CHAT_DEV_LOGIN": "1"}
    assert tls_services()["devserver"]["environment"] == {"CHAT_DEV_LOGIN": "0"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_starts_with_the_public_secret_over_tls(name: str) -> None:
    assert tls_services()[name] == {"environment": {"CHAT_PUBLIC_SECRETS": "0"}}


def test_the_tool_comes_in_by_tls_too() -> None:
    """With TLS nothing listens at the address that the tool has without."""
    assert CONTAINERS["chatctl"]["environment"]["CHAT_URL"] == "http://haproxy:8080"
    tool = tls_services()["chatctl"]
    assert tool["environment"]["CHAT_URL"] == "${CHAT_URL:-}"
    assert tool["networks"] == ["internet"]


def test_haproxy_takes_the_tls_example(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "1",
    ]
    subprocess.run(
        [*made, "-subj", "/CN=localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "localhost.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    bind = tls_services()["haproxy"]["environment"]["HAPROXY_BIND"].replace("/etc/chat-tls", str(folder))
    command = ["haproxy", "-c", "-f", "deploy/haproxy/haproxy.cfg", "-f", "deploy/haproxy/compose.cfg"]
    environment = {**os.environ, "HAPROXY_BIND": bind, "HAPROXY_METRICS": "127.0.0.1:8404"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_given_time_to_stop(service: str) -> None:
    container = CONTAINERS[service]
    assert container["environment"]["SERVICE"] == service
    drain = float(GatewaySettings.model_fields["drain_seconds"].default)
    stop = float(ServiceSettings.model_fields["shutdown_seconds"].default)
    assert float(container["stop_grace_period"].removesuffix("s")) > drain + ANSWER_SECONDS + FINISH_SECONDS + stop
