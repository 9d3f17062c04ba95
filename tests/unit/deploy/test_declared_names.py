"""Every setting, metric, queue and port that deployment files name exists in the code."""

import json
import re
from functools import cache
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from shared.protocol.topology import MOST_COMMAND_QUEUES, QUEUES, Queue, command_queues
from tests.unit.deploy.manifests import DEPLOY, OVERLAYS, ROOT, container, named, of_kind, rendered
from tools.dashboards.families import SERVICES, declared
from tools.devserver import DevserverSettings
from tools.docs.configuration import COMPOSE, TOOL, settings_of

MANIFESTS = [path for path in (DEPLOY / "k8s").rglob("*") if path.suffix in {".yaml", ".env"}]
RULES = [*(DEPLOY / "prometheus").glob("*.yml"), DEPLOY / "prometheus/adapter.yaml"]
FILES = [
    *MANIFESTS,
    *RULES,
    ROOT / "Dockerfile",
    ROOT / "docker-compose.yml",
    *(DEPLOY / "compose").iterdir(),
    DEPLOY / "grafana/dashboards/chat.json",
    ROOT / "docs/operations.md",
]
OF_COMPOSE = {*TOOL, *COMPOSE}
"""Variables of docker-compose.yml and `chatctl`, which no service reads."""
FOREIGN_METRICS = {
    *("up", "process_start_time_seconds", "rabbitmq_detailed_queue_messages_ready", "rabbitmq_build_info"),
    *("rabbitmq_alarms_memory_used_watermark", "rabbitmq_alarms_free_disk_space_watermark"),
    "rabbitmq_alarms_file_descriptor_limit",
}
"""Prometheus' own, its client's, and RabbitMQ's (https://www.rabbitmq.com/docs/prometheus#detailed-endpoint)."""


@cache
def settings() -> set[str]:
    """Every `CHAT_*` variable that some process reads."""
    classes: list[type[BaseSettings]] = [*map(settings_of, SERVICES), DevserverSettings]
    return {f"CHAT_{name.upper()}" for one in classes for name in one.model_fields}


@cache
def series() -> set[str]:
    """Every time series that some service exports, and what the rules record."""
    exported = {name for families in declared().values() for family in families for name in family.series}
    recorded = re.findall(r"record: (\S+)", (DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8"))
    return exported | set(recorded) | FOREIGN_METRICS


def strangers(pattern: str, known: set[str]) -> dict[str, set[str]]:
    """File → what `pattern` finds in it and nobody knows."""
    found = {str(path.relative_to(ROOT)): set(re.findall(pattern, path.read_text(encoding="utf-8"))) for path in FILES}
    return {name: unknown for name, names in found.items() if (unknown := names - known)}


def test_settings_exist() -> None:
    assert strangers(r"\bCHAT_[A-Z0-9_]+\b", settings() | OF_COMPOSE) == {}


def test_metrics_exist() -> None:
    families = {family.name for owned in declared().values() for family in owned}
    ours = r"chat_(?:gateway|messaging|presence|push|event|build|admin|webhooks)\w+"
    pattern = rf"\b(?:{ours}|(?<!plugins enable )rabbitmq_\w+|chat:\w+:\w+)"
    assert strangers(pattern, series() | families) == {}


def test_a_reader_of_all_names_finds_some() -> None:
    rules = (DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8")
    assert len(set(re.findall(r"\bchat_\w+", rules))) > 10


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_processes_listen_where_they_are_probed(overlay: str) -> None:
    exposed = re.findall(r"CHAT_HTTP_PORT=(\d+)|EXPOSE (\d+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    (port,) = {number for pair in exposed for number in pair if number}
    for service in SERVICES:
        assert container(named(overlay, "Deployment", service))["ports"] == [
            {"name": "http", "containerPort": int(port)}
        ]
    assert f":{port} " in (DEPLOY / "haproxy/compose.cfg").read_text(encoding="utf-8")
    assert f"port: {port}\n" in (DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8")


def test_scaled_queues_exist() -> None:
    queues = {queue.name for queue in QUEUES}
    for scaled in of_kind("production", "ScaledObject"):
        (trigger,) = scaled["spec"]["triggers"]
        assert trigger["metadata"]["queueName"] in queues
        assert trigger["metadata"]["hostFromEnv"] in rendered("production")


@pytest.mark.parametrize("queue", [*QUEUES, *command_queues(MOST_COMMAND_QUEUES)], ids=lambda queue: queue.name)
def test_each_queue_of_work_or_dead_letters_is_watched(queue: Queue) -> None:
    """A queue of work has a queue of dead letters. In the others, messages wait on purpose, expire, or have a waiting caller."""
    rules = (DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8")
    work, dead, nearly_full = re.findall(r'queue=~"([^"]+)"', rules)
    assert nearly_full == dead
    assert bool(re.fullmatch(work, queue.name)) is (queue.dead is not None)
    assert bool(re.fullmatch(dead, queue.name)) is queue.name.endswith(".dead")


def test_each_service_is_scraped_under_its_name() -> None:
    config: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert set(SERVICES) <= {job["job_name"] for job in config["scrape_configs"]}
    monitor = named("production", "PodMonitor", "chat")
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"


def test_the_dashboard_is_json_with_panels_of_its_own() -> None:
    dashboard = json.loads((DEPLOY / "grafana/dashboards/chat.json").read_text(encoding="utf-8"))
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers)) > len(SERVICES)
