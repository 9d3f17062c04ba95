"""Prometheus' rule file as the PrometheusRule of the Prometheus Operator: the same groups, one level deeper."""

from textwrap import indent
from typing import Final

HEAD: Final = """\
# Generated from deploy/prometheus/rules.yml: `python -m tools.dashboards`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: chat
spec:
"""


def text(rules: str) -> str:
    """The manifest with the groups of `rules`, the content of a rule file."""
    return HEAD + indent(rules[rules.index("groups:") :], "  ")
