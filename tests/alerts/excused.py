"""Alerts that can't be brought about on one machine, and commands of pages that can't be run there; each with the reason."""

from typing import Final

NOT_CAUSED: Final = {
    "ChatBackupOld": "the metric is CloudNativePG's, which needs a cluster of Kubernetes",
    "ChatDeadLettersFull": "80,000 batches would have to fail",
    "ChatDiskFull": "the metric is the kubelet's, of volumes in a cluster of Kubernetes",
    "ChatPresenceDropped": "100,000 clients would have to come or go while RabbitMQ is away",
    "ChatWebhookEndpointAway": "the system that is watched has no endpoints",
    "ChatWebhookEventsGivenUp": "an endpoint would have to refuse an event for CHAT_WEBHOOK_RETRY_SECONDS, which is a day",
}
"""promtool raises these with made-up samples (deploy/prometheus/rules.test.yml)."""

NOT_RUN: Final = {
    "chatctl webhooks": "there are no events that were given up; tests/e2e/test_chatctl.py runs these commands",
    "kubectl": "needs a cluster of Kubernetes",
    "docker": "tests/containers runs Docker Compose",
    "nslookup": "the DNS of containers",
    "haproxy": "the configuration's path is the operator's own; tests/unit/deploy checks the shipped one so",
    "timedatectl": "the machine's own clock",
    "chronyc": "the machine's own clock",
}
"""What commands of pages begin with."""
