"""Every metric of admin."""

from typing import Final

from prometheus_client import Counter, Histogram

CALLS: Final = Counter("chat_admin_calls_total", "Calls of the server API by route and status.", ["route", "status"])
CALL_SECONDS: Final = Histogram(
    "chat_admin_call_seconds",
    "From a call's arrival to the head of its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
