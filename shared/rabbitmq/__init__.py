"""RabbitMQ: connections that reconnect by themselves, publishing with confirms, and consuming in batches.

link           one connection with one channel; it reconnects when it breaks
publisher      publishes messages and waits for their confirms
consumer       takes the messages of one or several queues in batches
dead_letters   stores messages that can't be handled, with the reason
queues         declares queues
frames         reads and writes the AMQP frames of messages on the socket
wire           the byte layout of these frames
hosts          splits a URL that names several hosts
errors         the errors that callers can handle
"""

from shared.rabbitmq.consumer import Consumer, acknowledge, reject
from shared.rabbitmq.dead_letters import dead_letter
from shared.rabbitmq.errors import PUBLISH_ERRORS, TRANSIENT_ERRORS, BrokerUnavailable, Refused, Unroutable
from shared.rabbitmq.frames import Delivery, MessageFrames
from shared.rabbitmq.hosts import split_hosts
from shared.rabbitmq.link import Link, open_or_close
from shared.rabbitmq.publisher import Publisher
from shared.rabbitmq.queues import declare

__all__ = [
    "PUBLISH_ERRORS",
    "TRANSIENT_ERRORS",
    "BrokerUnavailable",
    "Consumer",
    "Delivery",
    "Link",
    "MessageFrames",
    "Publisher",
    "Refused",
    "Unroutable",
    "acknowledge",
    "dead_letter",
    "declare",
    "open_or_close",
    "reject",
    "split_hosts",
]
