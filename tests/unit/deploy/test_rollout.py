"""rollout.sh: the migrations come to their end before any service is touched.

There is no cluster here: a program that takes kubectl's place renders for real, and writes down what else it was told.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.deploy.manifests import DEPLOY, OVERLAYS, of_kind, title
from tools.checkers import checker
from tools.dashboards.families import SERVICES

RECORDER = """\
#!/bin/sh
if [ "$1" = kustomize ]; then exec {kubectl} "$@"; fi
echo "$@" | sed "s#/[^ ]*/tmp[^ ]*#MANIFESTS#" >>{log}
case "$*" in *get*job*) cat {states} | head -1; sed -i 1d {states} ;; esac
"""


def roll_out(folder: Path, overlay: str, states: tuple[str, ...] = ("", "Complete")) -> tuple[int, list[str]]:
    """Exit status, and what kubectl was told. `states`: conditions of the migrations' Job, each time it is asked for."""
    told = folder / "states"
    told.write_text("\n".join(states) + "\n", encoding="utf-8")
    log = folder / "log"
    recorder = folder / "kubectl"
    recorder.write_text(RECORDER.format(kubectl=checker("kubectl"), log=log, states=told), encoding="utf-8")
    recorder.chmod(0o755)
    environment = {**os.environ, "ROLLOUT_POLL_SECONDS": "0.01", "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([str(DEPLOY / "k8s/rollout.sh"), overlay], env=environment, capture_output=True, check=False)
    return done.returncode, [
        line.split()[0] if line.startswith("apply") else line for line in log.read_text().splitlines()
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_migrations_come_first(overlay: str, tmp_path: Path) -> None:
    status, told = roll_out(tmp_path, overlay)
    assert status == 0
    steps = [
        "delete job migrations",
        "apply",
        "get job migrations",
        "get job migrations",
        "apply",
        "rollout status deployment",
    ]
    assert len(told) == len(steps)
    assert all(step in line for step, line in zip(steps, told, strict=True))


def test_an_overlay_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    resource = os.path.relpath(DEPLOY / "k8s/overlays/local", own)
    (own / "kustomization.yaml").write_text(f"resources: [{resource}]\n", encoding="utf-8")
    status, told = roll_out(tmp_path, str(own))
    assert status == 0
    assert told.count("apply") == 2


def test_failed_migrations_leave_the_services_alone(tmp_path: Path) -> None:
    status, told = roll_out(tmp_path, "production", ("", "FailureTarget"))
    assert status == 1
    assert "logs job/migrations" in told[-1]
    assert told.count("apply") == 1


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_services_come_after(overlay: str) -> None:
    late = {
        title(workload)
        for workload in of_kind(overlay, "Deployment")
        if workload["metadata"]["labels"].get("after") == "migrations"
    }
    # The tool comes with the services: it compares the schema with its own.
    assert late - {"devserver"} == {*SERVICES, "chatctl"}
