"""The Helm chart: linted, valid field by field in each of its forms, and the same objects as kustomize has."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.deploy.manifests import (
    DEPLOY,
    Manifest,
    container,
    documents,
    kubernetes_validate,
    manifests,
    named,
    title,
)
from tests.unit.deploy.pod_security import violations
from tools.checkers import checker
from tools.dashboards.families import SERVICES

CHART = DEPLOY / "helm/chat"
CRDS = Path(__file__).parent / "crds"
OPERATED = (
    *(
        "autoscaling.enabled=true",
        "monitoring.enabled=true",
        "secrets.existing=chat-secrets",
        "ingress.tlsSecret=chat-tls",
        "probe.enabled=true",
    ),
    *("urls.CHAT_DATABASE_URL.secret=postgres-app", "urls.CHAT_DATABASE_URL.key=uri"),
)
"""As deploy/k8s/overlays/production has it."""
FORMS = {
    "plain": (),
    "bundled": ("backends.bundled=true", "devserver.enabled=true", "networkPolicies.enabled=false"),
    "operated": OPERATED,
    "routed": ("httpRoute.enabled=true", "httpRoute.parents[0].name=public", "ingress.enabled=false"),
    "nginx": (
        "ingress.controller=nginx",
        "ingress.className=nginx",
        "autoscaling.enabled=true",
        "autoscaling.keda=false",
    ),
    # The value files that are shipped.
    "trial": ("--values=trial.yaml",),
    "production": ("--values=production.yaml",),
    "traced": ("networkPolicies.egress.traces[0].ports[0]=4318", "networkPolicies.egress.moderation[0].ports[0]=443"),
}


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([checker("helm"), *arguments], cwd=CHART.parent, capture_output=True, text=True, check=False)


@cache
def charted(form: str) -> tuple[Manifest, ...]:
    arguments = [value if value.startswith("--values=") else f"--set={value}" for value in FORMS[form]]
    done = helm("template", "chat", str(CHART), "--namespace=chat", *arguments)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def find(form: str, kind: str, name: str) -> Manifest:
    (found,) = [each for each in charted(form) if each["kind"] == kind and title(each) == name]
    return found


def test_helm_lints_it() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "value", ["gatway.replicas=3", "image.digest=sha256:12", "services.gateway.replicas=0", "settings.PORT=1"]
)
def test_a_wrong_value_is_refused(value: str) -> None:
    done = helm("template", "chat", str(CHART), f"--set={value}")
    assert done.returncode != 0
    assert "schema" in done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_kubernetes_and_operators_take_it(form: str, tmp_path: Path) -> None:
    builtin = []
    for manifest in charted(form):
        group, _, version = manifest["apiVersion"].rpartition("/")
        schema = CRDS / f"{manifest['kind']}-{group}-{version}.json"
        if schema.exists():
            faults = jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).iter_errors(
                manifest
            )
            assert [f"{fault.json_path}: {fault.message}" for fault in faults] == [], title(manifest)
        else:
            builtin.append(manifest)
    path = tmp_path / "chart.yaml"
    path.write_text("\n---\n".join(map(json.dumps, builtin)), encoding="utf-8")
    done = kubernetes_validate(path, "1.31")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Couldn't" not in done.stdout + done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_pods_are_restricted(form: str) -> None:
    pods = [each["spec"]["template"]["spec"] for each in charted(form) if each["kind"] in {"Deployment", "Job"}]
    pods += [each["spec"] for each in charted(form) if each["kind"] == "Pod"]
    pods += [
        each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in charted(form) if each["kind"] == "CronJob"
    ]
    assert len(pods) > len(SERVICES)
    assert [list(violations(pod)) for pod in pods] == [[] for _ in pods]


def essence(workload: Manifest) -> dict[str, Any]:
    """What a Deployment or Job runs and how, without what an overlay chooses: image, names of generated objects, variables."""
    spec = json.loads(json.dumps(workload["spec"]))
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    for name in ("image", "imagePullPolicy", "env", "envFrom"):
        container.pop(name, None)
    spec["template"]["metadata"].pop("annotations", None)
    return dict(spec)


@pytest.mark.parametrize(("kind", "name"), [*(("Deployment", name) for name in SERVICES), ("Job", "migrations")])
def test_workloads_are_those_of_kustomize(kind: str, name: str) -> None:
    assert essence(find("operated", kind, name)) == essence(named("production", kind, name))


@pytest.mark.parametrize(
    "kind", ["Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject", "PrometheusRule"]
)
def test_other_objects_are_those_of_kustomize(kind: str) -> None:
    ours = {title(each): each["spec"] for each in charted("operated") if each["kind"] == kind}
    theirs = {title(each): each["spec"] for each in manifests("production") if each["kind"] == kind}
    assert ours == theirs


def test_alerts_link_their_pages_where_the_operator_reads_them() -> None:
    page = "https://wiki.example.com/chat/operations"
    done = helm("template", "chat", str(CHART), "--set=monitoring.enabled=true", f"--set=monitoring.runbooks={page}")
    (rules,) = [each for each in documents(done.stdout) if each["kind"] == "PrometheusRule"]
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert alerts
    assert [alert["annotations"].get("runbook_url") for alert in alerts] == [
        f"{page}#{alert['alert'].lower()}" for alert in alerts
    ]


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "chatctl"), ("CronJob", "probe")])
def test_the_operators_workloads_are_those_of_kustomize(kind: str, name: str) -> None:
    ours, theirs = (
        json.loads(json.dumps(one["spec"])) for one in (find("operated", kind, name), named("production", kind, name))
    )
    for spec in (ours, theirs):
        template = (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]
        template["metadata"].pop("annotations", None)
        for varies in ("image", "imagePullPolicy", "env", "envFrom"):
            template["spec"]["containers"][0].pop(varies, None)
    assert ours == theirs


def test_a_redis_for_trying_out_refuses_writes_before_the_kernel_ends_it() -> None:
    for deployment in (named("local", "Deployment", "redis"), find("bundled", "Deployment", "redis")):
        server = container(deployment)
        assert server["resources"]["limits"]["memory"] == "512Mi"
        assert server["args"][-2:] == ["--maxmemory", "384mb"]


def test_images_can_be_pinned_by_their_digests() -> None:
    digest = "sha256:" + "0" * 64
    values = [
        f"--set=image.digest={digest}",
        f"--set=chatctl.digest={digest}",
        f"--set=migrations.digest={digest}",
        "--set=probe.enabled=true",
    ]
    done = helm("template", "chat", str(CHART), *values)
    assert done.returncode == 0, done.stderr
    images = re.findall(r"image: (\S+)", done.stdout)
    assert images
    assert all(image.endswith(f"@{digest}") for image in images)


def test_network_policies_are_those_of_kustomize() -> None:
    ours = {title(each): each["spec"] for each in charted("operated") if each["kind"] == "NetworkPolicy"}
    theirs = {title(each): each["spec"] for each in manifests("production") if each["kind"] == "NetworkPolicy"}
    # The chart tries itself; the overlay names what its cluster has outside and its operators.
    assert ours.keys() - {"tests"} == theirs.keys() - {"operators", "outside", "uploads"}
    assert {name: ours[name] for name in ours if name != "tests"} == {
        name: theirs[name] for name in ours if name != "tests"
    }


def environment_of(form: str, service: str) -> set[str]:
    """The variables that a service's container gets, by whatever way."""
    (pod,) = find(form, "Deployment", service)["spec"]["template"]["spec"]["containers"]
    found = {entry["name"] for entry in pod["env"]}
    for source in pod["envFrom"]:
        for kind, reference in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            name = source.get(reference, {}).get("name")
            for each in charted(form):
                if each["kind"] == kind and title(each) == name:
                    found |= {**each.get("data", {}), **each.get("stringData", {})}.keys()
    return found


def test_the_value_file_of_a_trial_has_all_that_services_need() -> None:
    for service in SERVICES:
        assert {"CHAT_DATABASE_URL", "CHAT_AMQP_URL", "CHAT_REDIS_URLS", "CHAT_JWT_SECRET"} <= environment_of(
            "trial", service
        )
    assert {"CHAT_UPLOAD_SIGNING_KEYS", "CHAT_UPLOAD_STORE"} <= environment_of("trial", "media")


def test_the_value_file_of_production_has_what_kustomize_has() -> None:
    of_kustomize = next(each["data"] for each in manifests("production") if title(each).startswith("chat-settings"))
    ours = find("production", "ConfigMap", "chat-settings")["data"]
    assert {name: ours.get(name) for name in of_kustomize} == of_kustomize
    for name in (*SERVICES, "chatctl"):
        variables = [
            {entry["name"]: entry for entry in workload["spec"]["template"]["spec"]["containers"][0]["env"]}
            for workload in (find("production", "Deployment", name), named("production", "Deployment", name))
        ]
        assert variables[0] == variables[1], name


def routes_of(ingress: Manifest) -> set[tuple[str, str, str]]:
    (rule,) = ingress["spec"]["rules"]
    return {(path["path"], path["pathType"], path["backend"]["service"]["name"]) for path in rule["http"]["paths"]}


def test_paths_are_those_of_kustomize() -> None:
    expected = routes_of(named("production", "Ingress", "chat"))
    assert routes_of(find("operated", "Ingress", "chat")) == expected
    route = find("routed", "HTTPRoute", "chat")
    found = {
        (match["path"]["value"], match["path"]["type"].removeprefix("Path"), rule["backendRefs"][0]["name"])
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }
    assert found == expected


def test_a_changed_setting_restarts_the_pods() -> None:
    def checksum(*values: str) -> str:
        done = helm("template", "chat", str(CHART), "--show-only=templates/services.yaml", *values)
        first = next(each for each in documents(done.stdout) if each["kind"] == "Deployment")
        return json.dumps(first["spec"]["template"]["metadata"]["annotations"])

    usual = checksum()
    assert checksum("--set=settings.CHAT_DRAIN_SECONDS=30") != usual
    assert checksum("--set=secrets.values.CHAT_REDIS_URLS=redis://elsewhere") != usual


def test_migrations_come_before_everything() -> None:
    annotations = find("operated", "Job", "migrations")["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    # With servers of the release itself they would wait for what comes only after them.
    assert "helm.sh/hook" not in find("bundled", "Job", "migrations")["metadata"]["annotations"]
