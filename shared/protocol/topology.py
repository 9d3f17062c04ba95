"""AMQP queues: who consumes them, and what the broker does with what can't be handled.

Everything goes through the default exchange, whose routing key is the queue's name. Queues are declared by producers and
consumers alike, with the same arguments.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.protocol import limits

_MAX_COMMAND_BATCHES: Final = 200_000
_KIB: Final = 1024

HELD_BYTES: Final = 64 * 1024 * _KIB
"""What one consumer holds unacknowledged of its queues, at most: its prefetch by their `body_bytes`."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue. `dead` names the queue of its dead letters; `arguments` are RabbitMQ's `x-` arguments.

    `body_bytes`: the largest body that producers make; 0 where services don't consume.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dead: str | None = None
    body_bytes: int = 0


DEAD_REASON_HEADER: Final = "x-dead-reason"
"""AMQP header of a dead letter: why it couldn't be handled, in words."""
WAITS_HEADER: Final = "x-waits-for-newer"
"""AMQP header of a batch that was handed on: how often."""
DEATH_HEADER: Final = "x-death"
"""The broker's own header of a dead letter."""
DELIVERY_COUNT_HEADER: Final = "x-delivery-count"
"""The broker's own header of a redelivered message of a quorum queue: how often it was delivered before."""


def _work(name: str, body_bytes: int) -> Queue:
    """A quorum queue whose poison goes to `<name>.dead` when a consumer rejects it. Publishers are refused when it is full.

    RabbitMQ 4 gives quorum queues a delivery limit of 20; we hold and back off instead of requeueing, so it is only
    reached by a consumer that dies again and again on the same batch: then the batch is poison.
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
    """A bounded queue of what may be lost: the oldest is dropped when it is full, everything after `ttl_ms`.

    A quorum queue like the others: a classic one lives on one node, and while that is away nobody can declare it.
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
    """A dead-letter queue, bounded: the newest 100,000 batches.

    Each look at a letter is a delivery, and RabbitMQ 4 drops what was delivered 20 times: so many more are allowed that
    looking never costs a letter.
    """
    return Queue(name, {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000, "x-max-length": 100_000})


def _requests(name: str) -> Queue:
    """A queue of requests that somebody waits for: each expires by itself, none is worth a dead letter."""
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
    """A queue where messages wait for their own `expiration`, and then go to the queue `then`.

    Waits in one queue must be equally long: a quorum queue expires messages at its head only. Dead-lettering is «at least
    once»: by default a message is lost when `then` can't take it at that moment (RabbitMQ, «Quorum Queues»).
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
    """The queues of commands where there are `count`: `messaging.commands`, `messaging.commands.2`, …

    Each has a leader of its own, on a node that has few. Their poison goes to the same dead letters.
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
"""The same, for batches that replicas of version 0.1.0 would handle wrongly (`relay.needs_changes_queue`): those never see
them. Their poison goes to the same dead letters."""
MESSAGING_NEWER: Final = _wait("messaging.newer", MESSAGING_CHANGES.name)
"""Batches with a command that a replica is too old to know, until a newer one may take them."""
MESSAGING_SIGNALS: Final = _transient("messaging.typing", ttl_ms=2_000, body_bytes=128 * _KIB)
"""Batches of typing signals (`relay.SignalBatch`)."""
PRESENCE_COMMANDS: Final = _work("presence.commands", 64 * _KIB)
"""Connects, disconnects, statuses (`relay.PresenceBatch`) from gateways, block changes from messaging."""
PRESENCE_RENEWALS: Final = _transient("presence.leases", ttl_ms=20_000, body_bytes=64 * _KIB)
"""Lease renewals (`relay.LeaseRenewal`)."""
PRESENCE_POSTPONED: Final = _wait("presence.commands.5s", PRESENCE_COMMANDS.name)
"""What other services tell presence, again after 5 s: `presence.commands` refused it. Only what may come in any order."""
FORMER_SIGNALS: Final = "messaging.signals"
FORMER_RENEWALS: Final = "presence.renewals"
"""Classic queues of version 0.1.0, which its gateways still publish to during an upgrade: consumed while they exist."""
NOTIFIER_UNDELIVERED: Final = _work("notifier.undelivered", 8 * _KIB)
"""Messages that nobody seems to have got (`relay.UndeliveredBatch`): due for a push now.

Bodies are small: one is held until its last push is sent, and those for slow push services must leave room for others.
"""
NOTIFIER_WAITING: Final = _wait("notifier.waiting", NOTIFIER_UNDELIVERED.name)
"""The same, for the push delay first."""
NOTIFIER_POSTPONED: Final = _wait("notifier.undelivered.5s", NOTIFIER_UNDELIVERED.name)
"""The same, again after 5 s: the Redis server of the receiver was away."""
NOTIFIER_EVENTS: Final = _work("notifier.events", 8 * _KIB)
"""What other services tell the notifier of users (`relay.NotifierEventBatch`)."""
NOTIFIER_EVENTS_DEAD: Final = _dead("notifier.events.dead")
NOTIFIER_RETRIES: Final = _work("notifier.retries", 8 * _KIB)
"""Single notifications that are to be tried again now (`relay.PushRetryBatch`), from the notifier to itself."""
NOTIFIER_RETRY_WAITS: Final = {
    seconds: _wait(f"notifier.retries.{seconds}s", NOTIFIER_RETRIES.name) for seconds in (5, 30, 120, 600, 3600)
}
"""Seconds → the queue where retries wait that long first."""
MESSAGING_DEAD: Final = _dead("messaging.commands.dead")
PRESENCE_DEAD: Final = _dead("presence.commands.dead")
NOTIFIER_DEAD: Final = _dead("notifier.undelivered.dead")
NOTIFIER_RETRIES_DEAD: Final = _dead("notifier.retries.dead")
MESSAGING_REQUESTS: Final = _requests("messaging.requests")
"""What the server API asks of messaging (`requests.Request`)."""
PRESENCE_REQUESTS: Final = _requests("presence.requests")
"""The same, of presence."""
NOTIFIER_REQUESTS: Final = _requests("notifier.requests")
"""The same, of the notifier."""
WEBHOOK_EVENTS: Final = _work("webhooks.events", 128 * _KIB)
"""Events for webhooks that no transaction of PostgreSQL stands behind (`webhooks.EventBatch`), from presence and the notifier."""
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
