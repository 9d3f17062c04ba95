"""Prometheus takes the configuration and the rules, the rules do what they say, and every alert is explained."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.manifests import DEPLOY, ROOT
from tools.checkers import checker
from tools.dashboards.__main__ import stale
from tools.dashboards.families import declared

PROMETHEUS = DEPLOY / "prometheus"
ENVIRONMENT = {**os.environ, "GOGC": "400"}
"""promtool with less garbage collection: 100 MB more, and a quarter less of its CPU time."""
EXPORT = """
import prometheus_client
from tools.dashboards.families import declared
declared()
print(prometheus_client.generate_latest().decode())
"""


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [checker("promtool"), *arguments]
    return subprocess.run(
        command, cwd=PROMETHEUS, env=ENVIRONMENT, input=text, capture_output=True, text=True, check=False
    )


def alerts() -> set[str]:
    groups: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize(
    "arguments", [("config", "prometheus.yml"), ("rules", "--lint=all", "--lint-fatal", "rules.yml")]
)
def test_prometheus_takes_it(arguments: tuple[str, ...]) -> None:
    done = promtool("check", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["rules.test.yml", "rules.days.test.yml"])
def test_the_rules_do_what_they_say(name: str) -> None:
    done = promtool("test", "rules", name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_raised() -> None:
    raised: set[str] = set()
    for path in PROMETHEUS.glob("*.test.yml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            raised |= {case["alertname"] for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    assert raised == alerts()


def test_each_alert_is_explained() -> None:
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^### (Chat\w+)$", operations, re.MULTILINE)) == alerts()


def test_each_alert_names_its_page() -> None:
    """A path of this repository, with the anchor that a Markdown viewer makes of the heading."""
    groups: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {heading.lower() for heading in headings}, rule["alert"]
        assert anchor == rule["alert"].lower()


def test_generated_files_are_fresh() -> None:
    assert not stale(), "run `python -m tools.dashboards` and commit the result"


def test_the_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    dashboard = yaml.safe_load((DEPLOY / "grafana/dashboards/chat.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$instance", ".*")}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    done = promtool("check", "rules", "--lint=none", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_shows_every_metric() -> None:
    dashboard = (DEPLOY / "grafana/dashboards/chat.json").read_text(encoding="utf-8")
    for families in declared().values():
        for family in families:
            assert f"`{family.name}`: {family.meaning}" in dashboard.replace('\\"', '"')


def test_each_metric_is_listed_with_its_labels() -> None:
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    families = [family for owned in declared().values() for family in owned]
    assert len(families) > 50
    for family in families:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{family.name}` | {family.kind} |")]
        assert all(f"`{label}`" in row for label in family.labels)


def test_what_is_exported_is_well_named() -> None:
    """In a process of its own: the registry of this one holds what other tests declared."""
    command = [sys.executable, "-c", EXPORT]
    exported = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    done = promtool("check", "metrics", text=exported)
    assert done.returncode == 0, done.stdout + done.stderr
