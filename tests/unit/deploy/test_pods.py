"""How pods run: restricted, bounded, spread, probed, and stopped without loss."""

import pytest

from services.gateway.drain import ANSWER_SECONDS, FINISH_SECONDS
from services.gateway.settings import GatewaySettings
from shared.settings import ServiceSettings
from tests.unit.deploy.manifests import (
    OVERLAYS,
    WORKLOADS,
    container,
    labels,
    manifests,
    named,
    of_kind,
    template,
    title,
)
from tests.unit.deploy.pod_security import violations
from tools.dashboards.families import SERVICES

MARGIN_SECONDS = 5
"""For a kubelet that is slow to tell the time."""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay: str) -> None:
    for workload in of_kind(overlay, *WORKLOADS):
        assert list(violations(template(workload)["spec"])) == [], title(workload)
        assert container(workload)["securityContext"]["readOnlyRootFilesystem"] is True


def test_pods_that_operators_make_are_restricted_where_possible() -> None:
    override = named("production", "RabbitmqCluster", "rabbitmq")["spec"]["override"]
    assert list(violations(override["statefulSet"]["spec"]["template"]["spec"])) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_namespace_refuses_others(overlay: str) -> None:
    namespace = named(overlay, "Namespace", "chat")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    everything_else = [manifest for manifest in manifests(overlay) if manifest["kind"] != "Namespace"]
    assert {manifest["metadata"]["namespace"] for manifest in everything_else} == {"chat"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_containers_are_bounded(overlay: str) -> None:
    for workload in of_kind(overlay, *WORKLOADS):
        resources = container(workload)["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}, title(workload)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_probed_and_spread(overlay: str, service: str) -> None:
    deployment = named(overlay, "Deployment", service)
    pod = container(deployment)
    assert {probe: pod[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    for constraint in template(deployment)["spec"]["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= labels(deployment).items()
        assert set(constraint["matchLabelKeys"]) <= labels(deployment).keys() | {"pod-template-hash"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_grace_is_longer_than_a_drain(overlay: str) -> None:
    (settings,) = [
        manifest["data"] for manifest in of_kind(overlay, "ConfigMap") if "CHAT_LOG_FORMAT" in manifest["data"]
    ]
    drain = float(settings.get("CHAT_DRAIN_SECONDS", GatewaySettings.model_fields["drain_seconds"].default))
    stop = float(settings.get("CHAT_SHUTDOWN_SECONDS", ServiceSettings.model_fields["shutdown_seconds"].default))
    for service in SERVICES:
        deployment = named(overlay, "Deployment", service)
        before = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = template(deployment)["spec"]["terminationGracePeriodSeconds"]
        assert grace >= before + drain + ANSWER_SECONDS + FINISH_SECONDS + stop + MARGIN_SECONDS


def test_each_replica_is_named_by_its_pod() -> None:
    for service in SERVICES:
        environment = {entry["name"]: entry for entry in container(named("production", "Deployment", service))["env"]}
        assert environment["SERVICE"]["value"] == service
        assert environment["CHAT_INSTANCE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_nobody_but_the_notifier_signs_pushes() -> None:
    holders = {
        title(workload)
        for workload in of_kind("production", *WORKLOADS)
        for entry in container(workload)["env"]
        if entry["name"] == "CHAT_VAPID_PRIVATE_KEY"
    }
    assert holders == {"notifier"}
