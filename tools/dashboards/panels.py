"""Panels of a Grafana dashboard, as the JSON of its API (schema version 41)."""

from collections.abc import Iterable
from typing import Any, Final

from tools.dashboards.families import Family

Panel = dict[str, Any]

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
CHOSEN: Final = 'instance=~"$instance"'
QUANTILES: Final = (0.5, 0.95, 0.99)


def graph(title: str, description: str, unit: str, queries: Iterable[tuple[str, str]]) -> Panel:
    """Lines over time. `queries` are (PromQL, legend)."""
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}}},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": _targets(queries),
    }


def number(title: str, description: str, unit: str, query: str, limits: list[tuple[float | None, str]]) -> Panel:
    """The newest value. `limits` are (from which value on, colour), beginning with None."""
    steps = [{"value": value, "color": colour} for value, colour in limits]
    return {
        "type": "stat",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "background", "graphMode": "area"},
        "targets": _targets([(query, "")]),
    }


def row(title: str) -> Panel:
    """A heading."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def of_family(family: Family, by: tuple[str, ...] = ()) -> Panel:
    """How a metric is drawn: counters as rates, histograms as quantiles, gauges for each replica. `by`: more labels."""
    title = family.name.removeprefix("chat_").replace("_", " ").removesuffix(" seconds")
    return graph(title, f"`{family.name}`: {family.meaning}", _unit(family), _QUERIES[family.kind](family, by))


def _targets(queries: Iterable[tuple[str, str]]) -> list[dict[str, str | dict[str, str]]]:
    return [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": query, "legendFormat": legend}
        for index, (query, legend) in enumerate(queries)
    ]


def _unit(family: Family) -> str:
    if family.name.endswith("_seconds"):
        return "s"
    return "ops" if family.kind == "counter" else "short"


def _counter(family: Family, by: tuple[str, ...]) -> list[tuple[str, str]]:
    labels = (*by, *family.labels)
    return [(f"sum{_by(labels)} (rate({family.name}_total{{{CHOSEN}}}[$__rate_interval]))", _legend(labels))]


def _gauge(family: Family, by: tuple[str, ...]) -> list[tuple[str, str]]:
    labels = tuple(dict.fromkeys((*by, "instance", *family.labels)))
    return [(f"sum{_by(labels)} ({family.name}{{{CHOSEN}}})", _legend(labels))]


def _histogram(family: Family, by: tuple[str, ...]) -> list[tuple[str, str]]:
    labels = (*by, *family.labels)
    rates = f"sum{_by((*labels, 'le'))} (rate({family.name}_bucket{{{CHOSEN}}}[$__rate_interval]))"
    return [
        (f"histogram_quantile({quantile}, {rates})", f"{_legend(labels)} p{quantile * 100:g}".strip())
        for quantile in QUANTILES
    ]


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _legend(labels: tuple[str, ...]) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in labels)


_QUERIES: Final = {"counter": _counter, "gauge": _gauge, "histogram": _histogram}
