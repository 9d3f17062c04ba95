"""Every metric of presence."""

from typing import Final

from prometheus_client import Counter, Histogram

COMMANDS: Final = Counter("chat_presence_commands_total", "Connects, disconnects, statuses and block changes handled.")
RENEWALS: Final = Counter("chat_presence_renewals_total", "Leases of connections renewed.")
POISON: Final = Counter("chat_presence_poison_total", "AMQP messages sent to the dead letters.")
REFUSED: Final = Counter(
    "chat_presence_refused_commands_total", "Commands left out because an id or a status is wrong."
)
CYCLE_SECONDS: Final = Histogram(
    "chat_presence_cycle_seconds",
    "Time to handle what was waiting, fan-out included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
TRANSITIONS: Final = Counter(
    "chat_presence_transitions_total", "Changes of a user's status that are announced to friends."
)
EVENTS: Final = Counter("chat_presence_events_total", "Presence events published, counted by receiving user.")
EXPIRED: Final = Counter("chat_presence_expired_total", "Changes found by the sweep: lost connections, dead gateways.")
OVERDUE: Final = Counter(
    "chat_presence_overdue_announcements_total", "Changes that were not announced in time, announced by the sweep."
)
FRIENDS_LOADED: Final = Counter("chat_presence_friends_loaded_total", "Users whose friends were read from PostgreSQL.")
WEBHOOKS_DROPPED = Counter(
    "chat_presence_webhooks_dropped_total", "Webhook events dropped because the broker is away and too many wait."
)
