"""AMQP queues: who consumes them, and what the broker does with messages that can't be handled.

All messages go through the default exchange, whose routing key is the queue's name. Producers and consumers both declare queues,
with the same arguments.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.protocol import limits

_MAX_COMMAND_BATCHES: Final = 200_000
_KIB: Final = 1024

HELD_BYTES: Final = 64 * 1024 * _KIB
"""The most unacknowledged bytes of one consumer: its prefetch times the `body_bytes` of its queues."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue. `dead` names the queue of its dead letters; `arguments` are RabbitMQ's `x-` arguments.

    `body_bytes`: the largest body that producers publish; 0 for queues that services don't consume.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dead: str | None = None
    body_bytes: int = 0


DEAD_REASON_HEADER: Final = "x-dead-reason"
"""AMQP header of a dead letter: why it couldn't be handled, in words."""
WAITS_HEADER: Final = "x-waits-for-newer"
"""AMQP header of a batch that was left to a newer replica: how often."""
DEATH_HEADER: Final = "x-death"
"""The broker's own header of a dead letter."""
DELIVERY_COUNT_HEADER: Final = "x-delivery-count"
"""The broker's own header of a redelivered message of a quorum queue: how often it was delivered before."""


def _work(name: str, body_bytes: int) -> Queue:
    """Return a quorum queue. Messages that a consumer rejects go to `<name>.dead`. Publishers are refused when it is full.

    RabbitMQ 4 gives quorum queues a delivery limit of 20. Consumers back off instead of requeueing, so only a batch that kills
    its consumers again and again reaches it; such a batch is dead-lettered.
    """
    dead = f"{name}.dead"
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-max-length": _MAX_COMMAND_BATCHES,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        },
        dead,
        body_bytes,
    )


def _transient(name: str, ttl_ms: int, body_bytes: int) -> Queue:
    """Return a bounded queue for messages that may be lost: the oldest are dropped when it is full, and all after `ttl_ms`.

    It is a quorum queue too, because a classic queue lives on one node, and can't be declared while that node is away.
    """
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-message-ttl": ttl_ms,
            "x-max-length": 10_000,
            "x-max-length-bytes": 64 << 20,
            "x-overflow": "drop-head",
        },
        body_bytes=body_bytes,
    )


def _dead(name: str) -> Queue:
    """Return a bounded dead-letter queue: the newest 100,000 batches.

    Looking at a dead letter is a delivery, and RabbitMQ 4 drops messages after 20 deliveries by default. The limit here is so
    high that looking never drops one.
    """
    return Queue(name, {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000, "x-max-length": 100_000})


def _requests(name: str) -> Queue:
    """Return a queue of requests with a waiting caller. Each expires by itself, and none is dead-lettered."""
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-delivery-limit": 20,
            "x-max-length": 10_000,
            "x-max-length-bytes": 256 * 1024 * 1024,
            "x-overflow": "reject-publish",
        },
        body_bytes=4 * 1024 * _KIB,
    )


def _wait(name: str, then: str) -> Queue:
    """Return a delay queue: messages wait for their own `expiration`, and then go to the queue `then`.

    All messages of one queue must wait equally long, because a quorum queue expires messages only at its head. Dead-lettering is
    «at least once»: by default a message would be lost when `then` can't take it (RabbitMQ, «Quorum Queues»).
    """
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": then,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


MESSAGING_COMMANDS: Final = _work("messaging.commands", limits.MAX_BATCH_BYTES)
"""Batches of commands (`relay.CommandBatch`), from gateways to any messaging replica."""
MOST_COMMAND_QUEUES: Final = 16


def command_queues(count: int) -> tuple[Queue, ...]:
    """Return `count` command queues: `messaging.commands`, `messaging.commands.2`, …

    Each has its own leader, on a node with few leaders. They share one dead-letter queue.
    """
    further = (
        Queue(
            f"{MESSAGING_COMMANDS.name}.{number}",
            {**MESSAGING_COMMANDS.arguments, "x-queue-leader-locator": "balanced"},
            MESSAGING_COMMANDS.dead,
            MESSAGING_COMMANDS.body_bytes,
        )
        for number in range(2, count + 1)
    )
    return (MESSAGING_COMMANDS, *further)


MESSAGING_CHANGES: Final = Queue(
    "messaging.changes", MESSAGING_COMMANDS.arguments, MESSAGING_COMMANDS.dead, MESSAGING_COMMANDS.body_bytes
)
"""The same, for batches that replicas of version 0.1.0 would handle wrongly (`relay.needs_changes_queue`), and never see.

It shares the dead-letter queue.
"""
MESSAGING_NEWER: Final = _wait("messaging.newer", MESSAGING_CHANGES.name)
"""Batches with a command that a replica doesn't know, until a newer replica takes them."""
MESSAGING_SIGNALS: Final = _transient("messaging.typing", ttl_ms=2_000, body_bytes=128 * _KIB)
"""Batches of typing signals (`relay.SignalBatch`)."""
PRESENCE_COMMANDS: Final = _work("presence.commands", 64 * _KIB)
"""Connects, disconnects, statuses (`relay.PresenceBatch`) from gateways, block changes from messaging."""
PRESENCE_RENEWALS: Final = _transient("presence.leases", ttl_ms=20_000, body_bytes=64 * _KIB)
"""Lease renewals (`relay.LeaseRenewal`)."""
PRESENCE_POSTPONED: Final = _wait("presence.commands.5s", PRESENCE_COMMANDS.name)
"""Commands that `presence.commands` refused, delivered again after 5 s. Only for commands that may come in any order."""
FORMER_SIGNALS: Final = "messaging.signals"
FORMER_RENEWALS: Final = "presence.renewals"
"""Classic queues of version 0.1.0, to which its gateways still publish during an upgrade. They are consumed while they exist."""
NOTIFIER_UNDELIVERED: Final = _work("notifier.undelivered", 8 * _KIB)
"""Undelivered messages that need a push now (`relay.UndeliveredBatch`).

Bodies are small, because a message stays unacknowledged until its last push is sent, and slow push services must leave room
for others.
"""
NOTIFIER_WAITING: Final = _wait("notifier.waiting", NOTIFIER_UNDELIVERED.name)
"""The same, after the push delay."""
NOTIFIER_POSTPONED: Final = _wait("notifier.undelivered.5s", NOTIFIER_UNDELIVERED.name)
"""The same, again after 5 s, because the Redis server of the receiver was away."""
NOTIFIER_EVENTS: Final = _work("notifier.events", 8 * _KIB)
"""Events of other services about users (`relay.NotifierEventBatch`)."""
NOTIFIER_EVENTS_DEAD: Final = _dead("notifier.events.dead")
NOTIFIER_RETRIES: Final = _work("notifier.retries", 8 * _KIB)
"""Single notifications to retry now (`relay.PushRetryBatch`), from the notifier to itself."""
NOTIFIER_RETRY_WAITS: Final = {
    seconds: _wait(f"notifier.retries.{seconds}s", NOTIFIER_RETRIES.name) for seconds in (5, 30, 120, 600, 3600)
}
"""Seconds → the queue where retries wait that long first."""
MESSAGING_DEAD: Final = _dead("messaging.commands.dead")
PRESENCE_DEAD: Final = _dead("presence.commands.dead")
NOTIFIER_DEAD: Final = _dead("notifier.undelivered.dead")
NOTIFIER_RETRIES_DEAD: Final = _dead("notifier.retries.dead")
MESSAGING_REQUESTS: Final = _requests("messaging.requests")
"""The server API's requests to messaging (`requests.Request`)."""
PRESENCE_REQUESTS: Final = _requests("presence.requests")
"""The same, to presence."""
NOTIFIER_REQUESTS: Final = _requests("notifier.requests")
"""The same, to the notifier."""
WEBHOOK_EVENTS: Final = _work("webhooks.events", 128 * _KIB)
"""Webhook events without a transaction in PostgreSQL (`webhooks.EventBatch`), from presence and the notifier."""
WEBHOOK_EVENTS_DEAD: Final = _dead("webhooks.events.dead")

QUEUES: Final = (
    MESSAGING_DEAD,
    PRESENCE_DEAD,
    NOTIFIER_DEAD,
    NOTIFIER_RETRIES_DEAD,
    MESSAGING_COMMANDS,
    MESSAGING_CHANGES,
    MESSAGING_NEWER,
    MESSAGING_SIGNALS,
    PRESENCE_COMMANDS,
    PRESENCE_RENEWALS,
    NOTIFIER_UNDELIVERED,
    NOTIFIER_WAITING,
    NOTIFIER_POSTPONED,
    NOTIFIER_EVENTS_DEAD,
    NOTIFIER_EVENTS,
    NOTIFIER_RETRIES,
    *NOTIFIER_RETRY_WAITS.values(),
    MESSAGING_REQUESTS,
    PRESENCE_REQUESTS,
    NOTIFIER_REQUESTS,
    WEBHOOK_EVENTS_DEAD,
    WEBHOOK_EVENTS,
    PRESENCE_POSTPONED,
)
"""Every queue, in the order in which they can be declared."""
