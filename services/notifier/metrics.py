"""Every metric of the notifier."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

SENT: Final = Counter("chat_push_sent_total", "Notifications that a push service accepted.", ["service"])
FAILED: Final = Counter("chat_push_failed_total", "Notifications given up, by reason.", ["reason"])
RETRIES: Final = Counter(
    "chat_push_retries_total", "Requests that failed and will be made again, by reason.", ["reason"]
)
DEFERRED: Final = Counter("chat_push_deferred_total", "Notifications put off without a request, by reason.", ["reason"])
PRUNED: Final = Counter("chat_push_pruned_total", "Subscriptions deleted because their push service ended them.")
CANCELLED: Final = Counter("chat_push_cancelled_total", "Messages that need no notification, by reason.", ["reason"])
UNSUBSCRIBED: Final = Counter("chat_push_unsubscribed_total", "Messages whose receiver has no push subscription.")
REPEATED: Final = Counter(
    "chat_push_repeated_total", "Redelivered notifications that had been accepted: not sent again."
)
KEY_FAULTS: Final = Counter(
    "chat_push_key_faults_total",
    "Requests refused with 401, 403 or the like: alarm, the key of the service is at fault.",
    ["service"],
)
POISON: Final = Counter("chat_push_poison_total", "AMQP messages that can't be decoded, sent to the dead letters.")
LATENCY: Final = Histogram(
    "chat_push_latency_seconds",
    "From a message's creation to its notification's acceptance, the push delay included.",
    buckets=(0.5, 1, 2, 4, 5, 5.5, 6, 7, 10, 15, 30, 60, 300, 900, 3600),
)
REQUEST_SECONDS: Final = Histogram(
    "chat_push_request_seconds",
    "One request to a push service.",
    ["service"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5),
)
IN_FLIGHT: Final = Gauge("chat_push_in_flight", "Requests under way.", ["service"])
SUBSCRIPTIONS: Final = Counter("chat_push_subscriptions_total", "Changes of subscriptions by clients.", ["change"])
CIRCUIT_OPEN: Final = Gauge(
    "chat_push_circuit_open", "1 while a push service isn't asked because it doesn't answer.", ["service"]
)
FAULTS: Final = Counter(
    "chat_push_faults_total", "Tasks that failed by a fault of ours: what they held is delivered again."
)
WAITING: Final = Gauge(
    "chat_push_waiting", "Jobs in memory that wait for a place or are under way, of all push services."
)
