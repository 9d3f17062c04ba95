"""References between Kubernetes objects lead to objects that exist."""

import re
from typing import Any

import pytest

from tests.unit.deploy.manifests import (
    OVERLAYS,
    WORKLOADS,
    container,
    labels,
    named,
    of_kind,
    rendered,
    selects,
    template,
    title,
)
from tools.dashboards.families import SERVICES
from tools.stack.plan import UNROUTED

OPERATED = {"postgres-app": "Cluster", "rabbitmq-default-user": "RabbitmqCluster"}
FROM_OPERATORS: dict[str, dict[str, str]] = {
    "production": OPERATED,
    "example": OPERATED,
    "local": {},
}
"""Secrets that an operator makes for its object, by overlay."""


def secrets(overlay: str) -> set[str]:
    """Names of the secrets that are there once everything is applied."""
    external = [manifest["metadata"]["name"] for manifest in of_kind(overlay, "ExternalSecret")]
    made = [name for name, kind in FROM_OPERATORS[overlay].items() if of_kind(overlay, kind)]
    return {title(secret) for secret in of_kind(overlay, "Secret")} | set(external) | set(made)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_and_secrets_exist(overlay: str) -> None:
    maps = {title(manifest) for manifest in of_kind(overlay, "ConfigMap")}
    for workload in of_kind(overlay, *WORKLOADS):
        pod = container(workload)
        for source in pod.get("envFrom", []):
            assert source.get("configMapRef", {"name": next(iter(maps))})["name"] in maps
            assert source.get("secretRef", {"name": next(iter(secrets(overlay)))})["name"] in secrets(overlay)
        for entry in pod.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef")
            assert reference is None or reference["name"] in secrets(overlay)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_workload_has_the_required_settings(overlay: str) -> None:
    given = {"CHAT_DATABASE_URL", "CHAT_AMQP_URL", "CHAT_REDIS_URLS"}
    keys: set[str] = set()
    for external in of_kind(overlay, "ExternalSecret"):
        keys |= {entry["secretKey"] for entry in external["spec"]["data"]}
    for secret in of_kind(overlay, "Secret"):
        keys |= secret["data"].keys()
    for service in SERVICES:
        environment = {entry["name"] for entry in container(named(overlay, "Deployment", service))["env"]}
        assert given <= environment | keys


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_meet_pods(overlay: str) -> None:
    for workload in of_kind(overlay, "Deployment"):
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels(workload).items()
    for service in of_kind(overlay, "Service"):
        (workload,) = selects(service["spec"]["selector"], overlay)
        names = {port["name"] for port in container(workload)["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names, title(service)
    for budget in of_kind(overlay, "PodDisruptionBudget"):
        (workload,) = selects(budget["spec"]["selector"]["matchLabels"], overlay)
        assert workload["spec"].get("replicas", 2) > budget["spec"]["maxUnavailable"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_and_accounts_exist(overlay: str) -> None:
    accounts = {title(account) for account in of_kind(overlay, "ServiceAccount")}
    for workload in of_kind(overlay, *WORKLOADS):
        pod = container(workload)
        assert template(workload)["spec"].get("serviceAccountName", "gateway") in accounts
        ports = {port["name"] for port in pod.get("ports", [])}
        probes = [pod[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe") if probe in pod]
        assert {(probe.get("httpGet") or probe["tcpSocket"])["port"] for probe in probes} <= ports


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_ingress_leads_to_services(overlay: str) -> None:
    (ingress,) = of_kind(overlay, "Ingress")
    for path in ingress["spec"]["rules"][0]["http"]["paths"]:
        backend = path["backend"]["service"]
        service = named(overlay, "Service", backend["name"])
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_autoscalers_own_the_number_of_replicas() -> None:
    targets = [
        scaler["spec"]["scaleTargetRef"]["name"]
        for scaler in of_kind("production", "HorizontalPodAutoscaler", "ScaledObject")
    ]
    assert sorted(targets) == sorted(set(SERVICES) - UNROUTED)
    for name in targets:
        assert "replicas" not in named("production", "Deployment", name)["spec"]


def test_the_example_leaves_no_name_or_address_of_productions() -> None:
    """Each placeholder of overlays/production can be changed from outside, and the example changes all."""
    placeholders = re.compile(r"[\w.:/@-]*example\.com[\w./-]*|203\.0\.113\.\S+|s3://chat-\S+|cidr: 10\.0\.0\.0/8")
    assert len(set(placeholders.findall(rendered("production")))) > 8
    assert placeholders.findall(rendered("example")) == []
    stores = {each["spec"]["secretStoreRef"]["name"] for each in of_kind("example", "ExternalSecret")}
    assert stores == {"acme-vault"}


def test_the_operators_tool_knows_the_store_of_media() -> None:
    for overlay in ("production", "example"):
        of_media, of_tool = (
            [entry for entry in container(named(overlay, "Deployment", name))["env"] if "UPLOAD_STORE" in entry["name"]]
            for name in ("media", "chatctl")
        )
        assert of_tool == of_media != []


def test_a_rotated_secret_restarts_every_pod_that_reads_one() -> None:
    """`rollout restart deployment --selector after=migrations`, where Reloader doesn't run."""
    for overlay in ("production", "example"):
        for workload in of_kind(overlay, "Deployment"):
            assert workload["metadata"]["labels"]["after"] == "migrations", title(workload)


def policies(overlay: str, selector: dict[str, Any]) -> list[str]:
    """Names of the network policies whose pods have exactly this selector."""
    return [title(policy) for policy in of_kind(overlay, "NetworkPolicy") if policy["spec"]["podSelector"] == selector]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_no_policy_names_is_denied(overlay: str) -> None:
    assert "deny-all" in policies(overlay, {})
    deny = named(overlay, "NetworkPolicy", "deny-all")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in of_kind(overlay, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            assert rule.get("from"), title(policy)
