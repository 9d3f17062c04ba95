"""`docs/metrics.md`: every metric that the services export, from their declarations."""

from collections.abc import Mapping, Sequence
from typing import Final

from tools.dashboards.families import Family

HEAD: Final = """\
# Metrics

For operators: every metric at `/metrics` of each service.
`make docs` generates this page from the code.
The dashboard (`deploy/grafana`) shows all of them, and the alerts are explained in [operations](operations.md#alerts).

A counter is stored as `NAME_total`, a histogram as `NAME_bucket`, `NAME_count` and `NAME_sum`; names end in their unit.
Python's client adds `process_…` and `python_…`.
The probe's metrics (`chat_probe_…`) are described under [the operator's tool](operations.md#the-operators-tool).
"""


def text(declared: Mapping[str, Sequence[Family]]) -> str:
    """The whole page. `declared`: owner → its families."""
    return HEAD + "".join(_section(owner, families) for owner, families in declared.items())


def _section(owner: str, families: Sequence[Family]) -> str:
    rows = [f"| `{one.name}` | {one.kind} | {_labels(one)} | {one.meaning.replace('|', '/')} |\n" for one in families]
    title = owner[0].upper() + owner[1:] if " " in owner else owner
    return f"\n## {title}\n\n| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n" + "".join(rows)


def _labels(family: Family) -> str:
    return ", ".join(f"`{label}`" for label in family.labels) or "–"
