"""Every metric of messaging. They are updated once a cycle, never for each message; label values are looked up at import."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Histogram

_SECONDS: Final = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2.5, 5)

COMMANDS = Counter("chat_messaging_commands_total", "Commands by kind and result.", ["kind", "result"])
CYCLE_COMMANDS = Histogram(
    "chat_messaging_cycle_commands",
    "Commands handled together.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
)
CYCLE_SECONDS = Histogram(
    "chat_messaging_cycle_seconds", "From taking commands to acknowledging them.", buckets=_SECONDS
)
STATEMENT_SECONDS = Histogram(
    "chat_messaging_statement_seconds", "A round trip to PostgreSQL.", ["statement"], buckets=_SECONDS
)
FANOUT_SECONDS = Histogram(
    "chat_messaging_fanout_seconds", "One delivery of a cycle's effects by Redis.", buckets=_SECONDS
)
QUEUE_SECONDS = Histogram(
    "chat_messaging_queue_seconds", "How long the oldest delivery of a cycle waited in this process.", buckets=_SECONDS
)
DEFERRED = Counter("chat_messaging_deferred_total", "Fan-outs that waited for an earlier message of another replica.")
OUTDATED = Counter(
    "chat_messaging_outdated_total", "Fan-outs that were built again: another replica announced a later change."
)
OVERTAKEN = Counter("chat_messaging_overtaken_total", "Fan-outs that went ahead of an earlier message, after waiting.")
REDELIVERED = Counter("chat_messaging_redelivered_total", "AMQP messages that the broker delivered again.")
HANDED_ON = Counter(
    "chat_messaging_handed_on_total", "AMQP messages left to a newer replica: a command in them is unknown here."
)
DEAD_LETTERS = Counter("chat_messaging_dead_letters_total", "AMQP messages that could not be handled.")
UNDELIVERED = Counter("chat_messaging_undelivered_total", "Messages that no gateway took, published to the notifier.")
UNDELIVERED_DROPPED = Counter(
    "chat_messaging_undelivered_dropped_total", "Messages without a push because the broker was away for too long."
)
REBUILT = Counter("chat_messaging_unread_rebuilt_total", "Users whose unread counts were missing in Redis.")
SIGNALS = Counter("chat_messaging_signals_total", "Typing signals taken from the queue.")
DRIFT = Counter("chat_messaging_unread_drift_total", "Users, of those sampled, whose counts in Redis were wrong.")
SAMPLED = Counter("chat_messaging_unread_sampled_total", "Users whose counts in Redis were compared with PostgreSQL's.")

MODERATED = Counter(
    "chat_messaging_moderated_total",
    "Messages and edits that the moderation hook was asked about, by verdict.",
    ["verdict"],
)

EXPIRED = Counter("chat_messaging_expired_total", "Messages deleted because they were older than the retention time.")
RETENTION_ROUNDS = Counter(
    "chat_messaging_retention_rounds_total", "Looks through all conversations for expired messages."
)

APPEND_SECONDS: Final = STATEMENT_SECONDS.labels("append")
EDIT_SECONDS: Final = STATEMENT_SECONDS.labels("edit")
DELETE_SECONDS: Final = STATEMENT_SECONDS.labels("delete")
REACT_SECONDS: Final = STATEMENT_SECONDS.labels("react")
MARK_SECONDS: Final = STATEMENT_SECONDS.labels("mark")
BLOCK_SECONDS: Final = STATEMENT_SECONDS.labels("block")


def count_verdicts(kind: str, verdicts: Iterable[str]) -> None:
    """Count the verdicts of one statement's commands."""
    for verdict, count in Tally(verdicts).items():
        COMMANDS.labels(kind, verdict).inc(count)
