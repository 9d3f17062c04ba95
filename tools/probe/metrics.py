"""A probe's metrics for Prometheus: through a Pushgateway, or in a file that node_exporter reads."""

from typing import Final

from prometheus_client import CollectorRegistry, Gauge, push_to_gateway, write_to_textfile

from tools.probe.steps import Steps

JOB: Final = "chat-probe"
SECONDS: Final = 10.0


def registry_of(steps: Steps, now: float, certificate_ends: float | None = None) -> CollectorRegistry:
    """The metrics of one run that ended at `now`; `certificate_ends` likewise in Unix seconds, None without TLS."""
    registry = CollectorRegistry()
    Gauge("chat_probe_success", "1 when every step of the last probe succeeded.", registry=registry).set(
        steps.succeeded
    )
    Gauge("chat_probe_last_run_timestamp_seconds", "When the last probe ended.", registry=registry).set(now)
    if certificate_ends is not None:
        Gauge(
            "chat_probe_certificate_expiry_timestamp_seconds",
            "When the certificate ends that clients are shown.",
            registry=registry,
        ).set(certificate_ends)
    took = Gauge("chat_probe_step_seconds", "What a step of the last probe took.", ["step"], registry=registry)
    failed = Gauge(
        "chat_probe_step_failed", "1 for the step that failed in the last probe.", ["step"], registry=registry
    )
    for step in steps.taken:
        took.labels(step.name).set(step.seconds)
        failed.labels(step.name).set(step.error is not None)
    return registry


def tell(registry: CollectorRegistry, target: str) -> None:
    """Give the metrics to a Pushgateway, or write them to a `.prom` file as a whole. Raises OSError."""
    if target.startswith(("http://", "https://")):
        push_to_gateway(target, JOB, registry, timeout=SECONDS)
    else:
        write_to_textfile(target, registry)
