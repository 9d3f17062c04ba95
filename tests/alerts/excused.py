"""Alerts that can't be brought about on one machine, and commands of pages that can't be run there; each with the reason."""

from typing import Final

NOT_CAUSED: Final = {
    "ChatBackupOld": "the metric is CloudNativePG's, which needs a cluster of Kubernetes",
    "ChatDiskFull": "the metric is the kubelet's, of volumes in a cluster of Kubernetes",
    "ChatPresenceDropped": "100,000 clients would have to come or go while RabbitMQ is away",
}
"""promtool raises these with made-up samples (deploy/prometheus/rules.test.yml)."""

NOT_RUN: Final = {
    "kubectl": "needs a cluster of Kubernetes",
    "docker": "tests/containers runs Docker Compose",
    "nslookup": "the DNS of containers",
    "haproxy": "the configuration's path is the operator's own; tests/unit/deploy checks the shipped one so",
    "timedatectl": "the machine's own clock",
    "chronyc": "the machine's own clock",
}
"""Programs that commands of pages begin with."""
