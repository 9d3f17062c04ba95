"""The dashboard: the state of the objective, and then every declared metric, service by service."""

import json
from collections.abc import Mapping
from typing import Any, Final

from tools.dashboards import panels
from tools.dashboards.families import EVERY, SERVICES, Family
from tools.dashboards.panels import Panel

WIDTH: Final = 24
"""Columns of Grafana's grid."""
OBJECTIVE: Final = "chat:commands_late_or_failed:ratio_rate"
BUDGET: Final = 0.001
"""The part of commands that may be late or fail (`deploy/prometheus/rules.yml`)."""


def text(declared: Mapping[str, list[Family]]) -> str:
    """The file's content."""
    return json.dumps(_dashboard(declared), indent=1, ensure_ascii=False) + "\n"


def _dashboard(declared: Mapping[str, list[Family]]) -> dict[str, Any]:
    parts: list[tuple[Panel, int, int]] = [(panel, 6, 5) for panel in _objective()]
    for owner, families in declared.items():
        parts.append((panels.row(owner), WIDTH, 1))
        by = ("job",) if owner == EVERY else ()
        parts += [(panels.of_family(family, by), 8, 7) for family in families]
    return {
        "uid": "chat",
        "title": "Chat",
        "tags": ["chat"],
        "timezone": "utc",
        "schemaVersion": 41,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source(), _instance()]},
        "panels": _placed(parts),
    }


def _objective() -> list[Panel]:
    late = "Commands that were answered after 500 ms, or with send_failed"
    return [
        panels.number(
            "Late or failed, 5 minutes",
            late,
            "percentunit",
            f"{OBJECTIVE}5m",
            [(None, "green"), (BUDGET, "orange"), (14.4 * BUDGET, "red")],
        ),
        panels.number(
            "Budget left, 30 days",
            f"{late}: what is left of {BUDGET:.1%} in 30 days",
            "percentunit",
            f"1 - avg_over_time({OBJECTIVE}1h[30d]) / {BUDGET}",
            [(None, "red"), (0.0, "orange"), (0.25, "green")],
        ),
        panels.number("Open connections", "", "short", "sum(chat_gateway_connections)", [(None, "blue")]),
        panels.graph(
            "Burn rate",
            "1 spends the budget of 30 days in 30 days",
            "short",
            [(f"{OBJECTIVE}{window} / {BUDGET}", window) for window in ("5m", "1h", "6h")],
        ),
    ]


def _placed(parts: list[tuple[Panel, int, int]]) -> list[Panel]:
    """Panels from left to right and top to bottom. Parts are (panel, columns, height)."""
    placed: list[Panel] = []
    x = y = height = 0
    for number, (panel, columns, lines) in enumerate(parts, start=1):
        if x + columns > WIDTH:
            x, y, height = 0, y + height, 0
        placed.append({"id": number, "gridPos": {"x": x, "y": y, "w": columns, "h": lines}, **panel})
        x, height = x + columns, max(height, lines)
    return placed


def _source() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _instance() -> dict[str, Any]:
    return {
        "name": "instance",
        "type": "query",
        "datasource": panels.SOURCE,
        "query": {"query": f'label_values(up{{job=~"{"|".join(SERVICES)}"}}, instance)', "refId": "instance"},
        "label": "Replica",
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
