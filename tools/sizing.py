"""How large a system has to be: replicas, cores and memory from measured costs. The formula is in docs/operations.md, «Sizing».

Costs are those of docs/performance: microseconds of CPU for a message in each part, at three rates, and bytes.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from shared.protocol import limits

DAY_SECONDS: Final = 86_400
COSTS: Final = ((200.0, 2256.0), (2000.0, 420.0), (14_000.0, 84.0))
"""(messages a second, µs of CPU of all servers for each): batches grow with the rate, and the cost of a message falls."""
SHARES: Final = {"gateway": 18, "messaging": 16, "redis": 24, "postgresql": 13, "haproxy": 7, "rabbitmq": 5}
"""Of a message's 84 µs, saturated."""
HANDSHAKES_PER_CORE: Final = 1300.0
PAGE_SECONDS: Final = 0.9e-3
PRESENCE_SECONDS: Final = 0.2e-3
"""A connect or a close of somebody with 50 friends."""
PUSH_SECONDS: Final = 0.25e-3
CONNECTION_BYTES: Final = int(14.9 * 1024)
HAPROXY_CONNECTION_BYTES: Final = int(5.6 * 1024)
USER_BYTES: Final = 6 * 1024
EVENT_BYTES: Final = 600
"""Of an inbox: 0.3 MiB with 512 events."""
EVENTS_PER_MESSAGE: Final = 4
"""In inboxes: the sender's, the receiver's, and one for each receipt."""
ROW_BYTES: Final = 440
"""A text of 110 characters, with both indexes: 200,000 rows in 2,000 conversations."""
PROCESS_BYTES: Final = 120 << 20
"""An idle service, with room for its batches."""
GATEWAY_CONNECTIONS: Final = 20_000
HAPROXY_CONNECTIONS: Final = 250_000
UTILISATION: Final = 0.5
"""Of cores, connections and memory, at the peak: the other half is for the loss of a replica, and for higher peaks."""
MASTER_BYTES: Final = 32 << 30
"""Of one Redis: a larger one takes too long to copy to a new replica."""
CLUSTER_MASTERS: Final = 3
"""Of a Redis Cluster, at least: a majority of the masters must agree that one is down."""
POSTGRESQL_SERVERS: Final = 3
"""A commit waits for one of two standbys, so that the loss of one holds up nothing."""
RECONNECT_SECONDS: Final = 60.0
"""Half of the connections return within this time after an outage."""
POOL_SIZE: Final = 4
"""`CHAT_DATABASE_POOL_SIZE`, which every replica of every service opens, gateways too."""
REST_POOL_SIZE: Final = 4
"""`CHAT_REST_DATABASE_POOL_SIZE`: messaging's own for REST, besides."""
OTHER_CONNECTIONS: Final = 5
"""Migrations, the operator's tool, an exporter and people."""
PAGES_PER_DAY: Final = 20
SESSIONS_PER_DAY: Final = 10


IMPOSSIBLE: Final = "users are above 0, the peak is at least 1, and nothing is negative"


@dataclass(frozen=True, slots=True)
class Demand:
    """`users` in a day, each of whom sends `messages_per_day`; `concurrent` connections at most.

    `peak`: the busiest hour against the mean.
    """

    users: float
    concurrent: float
    messages_per_day: float
    peak: float = 4.0
    retention_days: int = 365

    @property
    def rate(self) -> float:
        """Messages a second at the peak."""
        return self.users * self.messages_per_day / DAY_SECONDS * self.peak

    @classmethod
    def of_rate(
        cls, users: float, concurrent: float, rate: float, peak: float = 4.0, retention_days: int = 365
    ) -> "Demand":
        """Return the demand whose `rate` at the peak is this many messages a second. Raises ValueError."""
        if users <= 0 or peak < 1:
            raise ValueError(IMPOSSIBLE)
        return cls(users, concurrent, rate * DAY_SECONDS / peak / users, peak, retention_days)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: the number of replicas, and for each the cores used at the peak and the bytes of memory."""

    name: str
    replicas: int
    cores: float
    memory: int
    why: str


def cost_factor(rate: float) -> float:
    """Return the cost of a message at `rate`, relative to that in full batches. Between measurements, its logarithm is
    interpolated linearly over the logarithm of the rate.
    """
    first, last = COSTS[0], COSTS[-1]
    if rate <= first[0]:
        return first[1] / last[1]
    for (low, dear), (high, cheap) in pairwise(COSTS):
        if rate <= high:
            share = math.log(rate / low) / math.log(high / low)
            return math.exp(math.log(dear) + share * (math.log(cheap) - math.log(dear))) / last[1]
    return 1.0


def size(demand: Demand) -> list[Part]:
    """Return what the demand needs. Raises ValueError for an impossible demand."""
    if demand.users <= 0 or demand.concurrent < 0 or demand.messages_per_day < 0 or demand.peak < 1:
        raise ValueError(IMPOSSIBLE)
    if demand.concurrent > demand.users * 10:
        raise ValueError("more than ten connections for each user")
    services = [_gateways(demand), *_consumers(demand)]
    pools = sum(part.replicas * (POOL_SIZE + (part.name == "messaging") * REST_POOL_SIZE) for part in services)
    return [
        *services,
        _haproxy(demand),
        _redis(demand),
        _postgresql(demand, pools + OTHER_CONNECTIONS),
        _rabbitmq(demand),
    ]


def rows_bytes(demand: Demand) -> int:
    """Return the bytes of the messages that are kept."""
    return int(demand.users * demand.messages_per_day * demand.retention_days * ROW_BYTES)


def _message_cores(demand: Demand, part: str) -> float:
    return demand.rate * SHARES[part] * cost_factor(demand.rate) / 1e6


def _replicas(cores: float) -> int:
    """Return the number of replicas for this load; a process uses one core."""
    return max(2, math.ceil(cores / UTILISATION))


def _gateways(demand: Demand) -> Part:
    storm = demand.concurrent / 2 / RECONNECT_SECONDS / HANDSHAKES_PER_CORE
    cores = _message_cores(demand, "gateway")
    by_connections = math.ceil(demand.concurrent / (GATEWAY_CONNECTIONS * UTILISATION))
    replicas = max(_replicas(cores), by_connections, math.ceil(storm) + 1)
    each = demand.concurrent / replicas / UTILISATION
    why = f"{demand.concurrent / replicas:,.0f} connections each"
    return Part("gateway", replicas, cores / replicas, PROCESS_BYTES + int(each * CONNECTION_BYTES), why)


def _consumers(demand: Demand) -> list[Part]:
    per_second = demand.users * demand.peak / DAY_SECONDS
    offline = max(0.0, 1 - demand.concurrent / demand.users)
    cores = {
        "messaging": _message_cores(demand, "messaging") + per_second * PAGES_PER_DAY * PAGE_SECONDS,
        "presence": per_second * SESSIONS_PER_DAY * 2 * PRESENCE_SECONDS,
        "notifier": demand.rate * offline * PUSH_SECONDS,
        "media": 0.0,
        "admin": 0.0,
        "webhooks": 0.0,
    }
    why = {
        "messaging": f"{demand.rate:,.0f} messages/s at the peak, and {PAGES_PER_DAY} pages of history for each user a day",
        "presence": f"{SESSIONS_PER_DAY} sessions for each user a day, 50 friends",
        "notifier": f"{offline:.0%} of the messages are pushed",
        "media": "by your uploads: measure them (tools.bench.uploads)",
        "admin": "by your own back end",
        "webhooks": "by your own back end",
    }
    return [
        Part(name, _replicas(used), used / _replicas(used), 2 * PROCESS_BYTES, why[name])
        for name, used in cores.items()
    ]


def _haproxy(demand: Demand) -> Part:
    cores = _message_cores(demand, "haproxy")
    replicas = 1 + max(1, math.ceil(demand.concurrent / HAPROXY_CONNECTIONS))
    # When one is lost, the others take its connections.
    memory = int(demand.concurrent / (replicas - 1) * HAPROXY_CONNECTION_BYTES / UTILISATION)
    return Part(
        "HAProxy", replicas, cores / replicas, memory, f"at most {HAPROXY_CONNECTIONS:,} connections each, one to spare"
    )


def _redis(demand: Demand) -> Part:
    events = min(limits.INBOX_EVENTS, demand.messages_per_day * EVENTS_PER_MESSAGE)
    total = demand.users * (USER_BYTES + events * EVENT_BYTES) / UTILISATION
    cores = _message_cores(demand, "redis")
    masters = max(1, math.ceil(cores / UTILISATION), math.ceil(total / MASTER_BYTES))
    if masters > 1:
        masters = max(CLUSTER_MASTERS, masters)
        why = f"{masters} masters of a cluster, each with a replica"
    else:
        why = "a master and a replica; also three Sentinels, on three machines"
    return Part("Redis", masters * 2, cores / masters, int(total / masters), why)


def _postgresql(demand: Demand, pools: int) -> Part:
    cores = _message_cores(demand, "postgresql")
    disk = rows_bytes(demand) / 1e9
    why = f"a primary, two standbys, {pools} connections, {disk:,.0f} GB of messages in {demand.retention_days} days"
    # Reads and writes are of new rows: those of a day, with their indexes, fit in memory.
    memory = max(1 << 30, int(demand.users * demand.messages_per_day * ROW_BYTES))
    return Part("PostgreSQL", POSTGRESQL_SERVERS, cores, memory, why)


def _rabbitmq(demand: Demand) -> Part:
    return Part("RabbitMQ", 3, _message_cores(demand, "rabbitmq"), 1 << 30, "three for failures")
