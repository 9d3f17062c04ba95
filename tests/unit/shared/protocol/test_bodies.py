"""What consumers hold unacknowledged is bounded in bytes: the largest bodies that producers make, by the prefetch."""

from functools import partial

import msgspec
import pytest
from pydantic import SecretStr

from services.gateway.uplink import lease_renewals, typing_tracker
from services.gateway.uplink import presence as gateway_presence
from services.messaging import links as messaging_links
from services.messaging import profile_changes
from services.messaging.settings import Settings
from services.notifier import links as notifier_links
from services.presence import links as presence_links
from services.presence import webhook_queue
from services.webhooks import app as webhooks_app
from shared.protocol import limits, relay, topology
from shared.protocol.bodies import bodies_of
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import HELD_BYTES, Queue
from shared.protocol.webhooks import EventBatch, EventType
from shared.rabbitmq import Consumer
from shared.webhooks import event

WIDEST = "\U0001f642"
ID = "0" * 36
GATEWAY = "g" * (64 + len("-4194304"))
"""A host's name (Linux, HOST_NAME_MAX) and a process id."""
NOW_MS = 2**41
MOST_CYCLE_COMMANDS = 512
NAME = WIDEST * limits.MAX_USERNAME_CHARACTERS
UNDELIVERED = relay.Undelivered(
    ID, ID, 2**53, ID, NAME, ID, "custom", "New message", NOW_MS, [ID] * limits.MAX_CONNECTIONS_PER_USER, NAME
)
LARGEST: list[tuple[Queue, msgspec.Struct]] = [
    (
        topology.PRESENCE_COMMANDS,
        relay.PresenceBatch([relay.Connected(ID, ID, GATEWAY, NOW_MS, "online")] * gateway_presence.BATCH),
    ),
    (
        topology.PRESENCE_COMMANDS,
        relay.PresenceBatch(
            [relay.ProfileChanged(ID, NAME, NAME, WIDEST * limits.MAX_URL_CHARACTERS, [ID] * profile_changes.PARTNERS)]
        ),
    ),
    (
        topology.PRESENCE_COMMANDS,
        relay.PresenceBatch([relay.BlockChanged(ID, ID, True, 2**53) for _ in range(MOST_CYCLE_COMMANDS)]),
    ),
    (topology.PRESENCE_RENEWALS, relay.LeaseRenewal(GATEWAY, NOW_MS, [(ID, ID)] * lease_renewals.RENEWALS)),
    (
        topology.MESSAGING_SIGNALS,
        relay.SignalBatch([relay.Typing(ID, ID, True, NOW_MS, ID)] * typing_tracker.MAX_WAITING, GATEWAY),
    ),
    (topology.NOTIFIER_UNDELIVERED, relay.UndeliveredBatch([UNDELIVERED])),
    (topology.NOTIFIER_RETRIES, relay.PushRetryBatch([relay.PushRetry(UNDELIVERED, ID, 100, 100)])),
    (topology.NOTIFIER_EVENTS, relay.NotifierEventBatch([relay.ConversationMuted(ID, ID, NOW_MS, NOW_MS)])),
    (
        topology.WEBHOOK_EVENTS,
        EventBatch([event(EventType.USER_OFFLINE, ID, {"userId": ID, "lastSeen": "x" * 24})] * webhook_queue.BATCH),
    ),
]
PREFETCHES = [
    (topology.MESSAGING_COMMANDS, Settings.model_fields["command_prefetch"].default),
    (topology.MESSAGING_CHANGES, Settings.model_fields["command_prefetch"].default),
    (topology.MESSAGING_SIGNALS, messaging_links.SIGNAL_PREFETCH),
    (topology.MESSAGING_REQUESTS, messaging_links.REQUEST_PREFETCH),
    (topology.PRESENCE_COMMANDS, presence_links.PREFETCH),
    (topology.PRESENCE_RENEWALS, presence_links.PREFETCH),
    (topology.NOTIFIER_UNDELIVERED, notifier_links.PREFETCH),
    (topology.NOTIFIER_EVENTS, notifier_links.PREFETCH),
    (topology.NOTIFIER_RETRIES, notifier_links.PREFETCH),
    (topology.WEBHOOK_EVENTS, webhooks_app.PREFETCH),
]


@pytest.mark.parametrize(("queue", "batch"), LARGEST, ids=lambda value: getattr(value, "name", type(value).__name__))
def test_the_largest_batch_of_a_producer_is_no_larger_than_its_queue_says(queue: Queue, batch: msgspec.Struct) -> None:
    """Each with all the ids, names and lists that it may have."""
    assert len(msgpack_encoder.encode(batch)) <= queue.body_bytes


@pytest.mark.parametrize(("queue", "prefetch"), PREFETCHES, ids=lambda value: getattr(value, "name", value))
def test_what_a_prefetch_can_hold_is_bounded_in_bytes(queue: Queue, prefetch: int) -> None:
    """At most 64 MiB for each consumer, as docs/operations.md says."""
    assert 0 < prefetch * queue.body_bytes <= HELD_BYTES


def test_every_queue_with_a_consumer_has_a_largest_body() -> None:
    """Only dead letters and waiting queues, which nothing is prefetched from, have none."""
    without = {queue.name for queue in topology.QUEUES if not queue.body_bytes}
    assert all(".dead" in name or name.endswith(("s", ".newer", ".waiting")) for name in without)
    assert not without & {queue.name for queue, _ in PREFETCHES}


def test_a_consumer_takes_no_more_than_fits() -> None:
    """Whatever prefetch it is asked for."""
    consumer = Consumer(SecretStr("amqp://nowhere"), "test", topology.MESSAGING_REQUESTS, prefetch=10_000)
    assert consumer.prefetch == HELD_BYTES // topology.MESSAGING_REQUESTS.body_bytes


def test_batches_are_cut_where_a_body_would_be_too_large() -> None:
    """In order, each as large as fits, nothing lost."""
    messages = [msgspec.structs.replace(UNDELIVERED, seq=seq) for seq in range(100)]
    bodies = bodies_of(messages, relay.UndeliveredBatch, topology.NOTIFIER_UNDELIVERED)
    assert len(bodies) > 1
    assert max(map(len, bodies)) <= topology.NOTIFIER_UNDELIVERED.body_bytes
    decode = partial(msgspec.msgpack.decode, type=relay.UndeliveredBatch)
    assert [message.seq for body in bodies for message in decode(body).messages] == list(range(100))


def test_a_small_batch_is_one_body() -> None:
    """The usual case; and nothing is none."""
    small = msgspec.structs.replace(UNDELIVERED, sender_username="a", sender_name="A")
    assert len(bodies_of([small] * 10, relay.UndeliveredBatch, topology.NOTIFIER_UNDELIVERED)) == 1
    assert bodies_of([], relay.UndeliveredBatch, topology.NOTIFIER_UNDELIVERED) == []
