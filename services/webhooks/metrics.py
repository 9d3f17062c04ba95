"""Every metric of webhooks. `endpoint` is its host."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

DELIVERED: Final = Counter("chat_webhooks_delivered_total", "Events that an endpoint took.", ["endpoint"])
REFUSED: Final = Counter("chat_webhooks_refused_total", "Posts that failed, by reason.", ["endpoint", "reason"])
DEAD_LETTERS: Final = Counter(
    "chat_webhooks_dead_letters_total", "Events that were refused for too long.", ["endpoint"]
)
DROPPED: Final = Counter("chat_webhooks_dropped_total", "Oldest events dropped because too many wait.", ["endpoint"])
POISON: Final = Counter(
    "chat_webhooks_poison_total", "AMQP messages that can't be decoded or stored, sent to the dead letters."
)
LAG_SECONDS: Final = Histogram(
    "chat_webhooks_lag_seconds",
    "From an event to its acceptance.",
    ["endpoint"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600, 3600, 86_400),
)
POST_SECONDS: Final = Histogram(
    "chat_webhooks_post_seconds",
    "One post.",
    ["endpoint"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DELAYED: Final = Gauge("chat_webhooks_delayed", "Conversations that wait behind a refused event.", ["endpoint"])
CIRCUIT_OPEN: Final = Gauge(
    "chat_webhooks_circuit_open", "1 while an endpoint isn't asked because it fails again and again.", ["endpoint"]
)
LEADING: Final = Gauge("chat_webhooks_leading", "1 on the replica that posts to the endpoint.", ["endpoint"])
