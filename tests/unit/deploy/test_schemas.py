"""Every object is what its schema allows, field by field: Kubernetes' own, and the operators'."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.unit.deploy.manifests import (
    DEPLOY,
    FAST_YAML,
    OVERLAYS,
    ROOT,
    Manifest,
    kubernetes_validate,
    manifests,
    rendered,
    title,
)
from tools.checkers import checker

OPERATORS = Path(__file__).parent / "crds"
"""Schemas of custom resources, out of the operators' definitions: crds/README.md."""


CHECKOV = f"""{FAST_YAML}
import json, sys
from checkov.dockerfile.runner import Runner as Dockerfiles
from checkov.kubernetes.runner import Runner as Manifests
from checkov.runner_filter import RunnerFilter

def found(runner, framework, **where):
    report = runner.run(**where, runner_filter=RunnerFilter(framework=[framework], show_progress_bar=False))
    assert not report.parsing_errors, report.parsing_errors
    failed = [f"{{one.check_id}} {{one.resource}}: {{one.check_name}}" for one in report.failed_checks]
    return {{"failed": failed, "passed": len(report.passed_checks)}}

folder, dockerfile = sys.argv[1:]
json.dump({{
    "kubernetes": found(Manifests(), "kubernetes", root_folder=folder),
    "dockerfile": found(Dockerfiles(), "dockerfile", root_folder=None, files=[dockerfile]),
}}, sys.stdout)
"""
"""checkov's checks of both kinds in one process: its own program first imports those of all other kinds."""


def is_builtin(manifest: Manifest) -> bool:
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


@pytest.mark.parametrize("version", ["1.31", "1.37"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_it(overlay: str, version: str, tmp_path: Path) -> None:
    path = tmp_path / "overlay.yaml"
    path.write_text(rendered(overlay), encoding="utf-8")
    done = kubernetes_validate(path, version)
    assert done.returncode == 0, done.stdout + done.stderr
    unknown = {
        line.split("kind ")[1].split()[0] for line in (done.stdout + done.stderr).splitlines() if "Couldn't" in line
    }
    assert unknown == {manifest["kind"] for manifest in manifests(overlay) if not is_builtin(manifest)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_operators_take_it(overlay: str) -> None:
    for manifest in manifests(overlay):
        if not is_builtin(manifest):
            group, _, version = manifest["apiVersion"].rpartition("/")
            schema = json.loads((OPERATORS / f"{manifest['kind']}-{group}-{version}.json").read_text(encoding="utf-8"))
            faults = [
                f"{fault.json_path}: {fault.message}"
                for fault in jsonschema.Draft202012Validator(schema).iter_errors(manifest)
            ]
            assert not faults, title(manifest)


@pytest.fixture(scope="module")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What checkov says of the overlays and of the Dockerfile: which checks `failed`, and how many `passed`."""
    folder = tmp_path_factory.mktemp("overlays")
    for overlay in OVERLAYS:
        (folder / f"{overlay}.yaml").write_text(rendered(overlay), encoding="utf-8")
    python = Path(checker("checkov")).with_name("python")
    command = [str(python), "-c", CHECKOV, str(folder), str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("framework", "least"), [("kubernetes", 500), ("dockerfile", 50)])
def test_checkov_finds_nothing(framework: str, least: int, checkov: dict[str, dict[str, Any]]) -> None:
    assert checkov[framework]["failed"] == []
    assert checkov[framework]["passed"] > least


def test_no_component_is_left_out() -> None:
    components = {path.parent for path in (DEPLOY / "k8s/components").rglob("kustomization.yaml")}
    used = "".join(path.read_text(encoding="utf-8") for path in (DEPLOY / "k8s").rglob("kustomization.yaml"))
    assert all(f"components/{component.name}\n" in used for component in components)


def test_cloudnativepg_takes_the_documented_restore() -> None:
    """The block in docs/operations.md, «Restore in Kubernetes», in place of what overlays/production begins with."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(  bootstrap:.*?)^```", page, re.MULTILINE | re.DOTALL)
    (cluster,) = [each for each in manifests("production") if each["kind"] == "Cluster"]
    documented = yaml.safe_load(block)
    # crds/ has only the fields that the overlays use.
    (origin,) = documented.pop("externalClusters")
    restored = {**cluster, "spec": {**cluster["spec"], **documented}}
    schema = json.loads((OPERATORS / "Cluster-postgresql.cnpg.io-v1.json").read_text(encoding="utf-8"))
    assert [fault.message for fault in jsonschema.Draft202012Validator(schema).iter_errors(restored)] == []
    assert origin["name"] == documented["bootstrap"]["recovery"]["source"]
    (archiver,) = restored["spec"]["plugins"]
    assert origin["plugin"]["parameters"]["serverName"] != archiver["parameters"]["serverName"]
