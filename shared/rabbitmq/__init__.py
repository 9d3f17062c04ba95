"""RabbitMQ: connections that come back by themselves, publishing with confirms, and consuming in batches.

link           one connection with one channel, made again whenever it breaks
publisher      persistent messages with confirm
consumer       one queue, taken in batches
dead_letters   what can't be handled, kept with the reason
frames, wire   AMQP's frames on the hot path
errors         what can go wrong
"""

from shared.rabbitmq.consumer import Consumer, acknowledge, reject
from shared.rabbitmq.dead_letters import dead_letter
from shared.rabbitmq.errors import TRANSIENT_ERRORS, BrokerUnavailable, Refused, Unroutable
from shared.rabbitmq.frames import Delivery, MessageFrames
from shared.rabbitmq.hosts import split_hosts
from shared.rabbitmq.link import Link
from shared.rabbitmq.publisher import Publisher
from shared.rabbitmq.queues import declare

__all__ = [
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
    "reject",
    "split_hosts",
]
