"""The metric families that the services declare."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, runtime_checkable

from prometheus_client.metrics_core import Metric

SERVICES: Final = ("gateway", "messaging", "presence", "notifier", "media", "admin", "webhooks")
EVERY: Final = "every process"

_MODULES: Final = {EVERY: "shared.telemetry"} | {service: f"services.{service}.metrics" for service in SERVICES}


@runtime_checkable
class Declaration(Protocol):
    """The common interface of prometheus_client's metrics and the services' own collectors."""

    def describe(self) -> Iterable[Metric]:
        """The families, without samples."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without suffixes, `counter`, `gauge` or `histogram`, what it says, and its labels' names."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """Return the names under which Prometheus stores it."""
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        return tuple(self.name + suffix for suffix in suffixes.get(self.kind, ("",)))


def declared() -> dict[str, list[Family]]:
    """Service (or `every process`) → its families, in the order of declaration. Raises ImportError when a module is missing."""
    return {owner: _families(module) for owner, module in _MODULES.items()}


def _families(module: str) -> list[Family]:
    values = vars(import_module(module)).values()
    declarations = [value for value in values if isinstance(value, Declaration) and not isinstance(value, type)]
    families = [_family(declaration, metric) for declaration in declarations for metric in declaration.describe()]
    # Children of a labelled metric, such as one looked up at import, describe themselves by its name.
    return list({family.name: family for family in reversed(families)}.values())[::-1]


def _family(declaration: Declaration, metric: Metric) -> Family:
    # prometheus_client has no public access to the names of labels; its classes and families have them here.
    labels = getattr(metric, "_labelnames", ()) or getattr(declaration, "_labelnames", ())
    return Family(metric.name, metric.type, metric.documentation, tuple(labels))
