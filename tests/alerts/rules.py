"""The rules that are shipped, with shorter times: what takes hours on a bad night takes seconds here."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.stack.home import ROOT

RULES: Final = ROOT / "deploy/prometheus/rules.yml"
SCRAPING: Final = ROOT / "deploy/prometheus/prometheus.yml"
HOLD: Final = "1s"
"""In place of every `for`."""
WINDOW: Final = "20s"
"""In place of every range."""
LONG_WINDOWS: Final = {"ChatReplicaRestarts": "90s"}
"""Of alerts whose cause takes longer than `WINDOW`."""
MEMORY: Final = "10m"
"""How far back `max_over_time` and `last_over_time` remember what was usual, in place of a day or a week."""
THRESHOLDS: Final = {"ChatProbeMissing": ("> 1800", "> 30"), "ChatPostgresReplication": ("> 30", "> 10")}
"""Thresholds that are times. All others stay as they are."""
SCRAPE_SECONDS: Final = 1


def shortened(document: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of `document` with short times; each keeps its name, its metrics and its comparison."""
    return {
        "groups": [
            {"name": group["name"], "interval": "1s", "rules": [_rule(rule) for rule in group["rules"]]}
            for group in document["groups"]
        ]
    }


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    name = rule.get("alert", rule.get("record", ""))
    expression = re.sub(
        r"\[(?:1d|7d)(:\w+)?\](?=\))", lambda found: f"[{MEMORY}{':1s' if found[1] else ''}]", rule["expr"]
    )
    if not re.search("(max|last)_over_time", rule["expr"]):
        expression = rule["expr"]
    window = LONG_WINDOWS.get(name, WINDOW)
    expression = re.sub(r"\[(5m|15m|30m|1h|2h|6h|1d|3d)\]", f"[{window}]", expression)
    expression = expression.replace("offset 15m", f"offset {window}")
    before, after = THRESHOLDS.get(name, ("", ""))
    assert before in expression, f"the threshold of {name} has changed: mend THRESHOLDS"
    changed = {**rule, "expr": expression.replace(before, after) if before else expression}
    return {**changed, "for": HOLD} if rule.get("for", "0m") != "0m" else changed


def scraping(document: Mapping[str, Any], targets: Mapping[str, list[int]], rules: Path) -> dict[str, Any]:
    """The configuration of `document` for this machine: `targets` has the ports of each of its jobs, and of further ones.

    Raises KeyError for a job without targets.
    """
    jobs = [
        {key: value for key, value in job.items() if not key.endswith("_sd_configs") and key != "static_configs"}
        for job in document["scrape_configs"]
    ]
    # A Pushgateway's metrics keep the labels that they were pushed with.
    jobs += [
        {"job_name": name, "honor_labels": True} for name in targets if name not in {job["job_name"] for job in jobs}
    ]
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {**job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in targets[job["job_name"]]]}]}
            for job in jobs
        ],
    }


def alerts() -> dict[str, str]:
    """Each alert's name → its expression as it is shipped."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule}
