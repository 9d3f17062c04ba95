"""The Kubernetes objects of each overlay, as `kubectl kustomize` renders them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.checkers import checker

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("local", "production", "example")
WORKLOADS = ("Deployment", "Job")

FAST_YAML = """
import yaml, yaml.loader
yaml.SafeLoader = yaml.loader.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""
"""The checkers' YAML with libyaml where it is: a tenth of the time."""

VALIDATE = f"""{FAST_YAML}
import functools, sys
from kubernetes_validate import utils
utils.schema_contents = functools.cache(utils.schema_contents)
from kubernetes_validate.__main__ import main
sys.exit(main())
"""
"""kubernetes-validate, which by itself reads all definitions again for each object. Its version is in deploy/checkers.lock."""

Manifest = dict[str, Any]


def documents(text: str) -> tuple[Manifest, ...]:
    """The objects in a YAML text, without empty documents. With libyaml where it is: a tenth of the time."""
    return tuple(each for each in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if each)


def kubernetes_validate(path: Path, version: str) -> "subprocess.CompletedProcess[str]":
    """Compare the objects in a file, field by field, with what a version of Kubernetes allows."""
    python = Path(checker("kubernetes-validate")).with_name("python")
    command = [str(python), "-c", VALIDATE, "--strict", "--kubernetes-version", version, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@cache
def rendered(overlay: str) -> str:
    """The overlay's YAML."""
    folder = DEPLOY / "k8s/overlays" / overlay
    done = subprocess.run([checker("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def manifests(overlay: str) -> tuple[Manifest, ...]:
    """The overlay's objects."""
    return documents(rendered(overlay))


def of_kind(overlay: str, *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests(overlay) if manifest["kind"] in kinds]


def named(overlay: str, kind: str, name: str) -> Manifest:
    (found,) = [manifest for manifest in of_kind(overlay, kind) if title(manifest) == name]
    return found


def title(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def template(workload: Manifest) -> Manifest:
    """The pod template of a Deployment or Job."""
    found: Manifest = workload["spec"]["template"]
    return found


def container(workload: Manifest) -> Manifest:
    """The one container of a Deployment or Job."""
    (found,) = template(workload)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def labels(workload: Manifest) -> dict[str, str]:
    """Labels of a workload's pods."""
    found: dict[str, str] = template(workload)["metadata"]["labels"]
    return found


def selects(selector: dict[str, str], overlay: str) -> list[Manifest]:
    """The workloads whose pods have all these labels."""
    return [workload for workload in of_kind(overlay, *WORKLOADS) if selector.items() <= labels(workload).items()]


def strings(value: object) -> Iterator[str]:
    """Every text in a manifest, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
