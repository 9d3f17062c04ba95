"""What happens to the nodes. Each fault is over when its function returns; the load goes on all the time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tests.clusters.system import LEASE_SECONDS, System
from tests.faults.load import Load

AWAY_SECONDS = 3.0
RECOVERY_SECONDS = 45.0

Act = Callable[[System, Load], Awaitable[float | None]]
"""Makes it happen. Returns when (monotonic seconds) the operator had done their part, if there was one."""


@dataclass(frozen=True)
class Fault:
    """`quick`: the short form does it, too. `acknowledged_within`, `rest_within`: the longest time without, in seconds, from
    when the operator had done their part; `senders_within`: the longest wait of any sender from then on.
    """

    name: str
    act: Act
    acknowledged_within: float
    rest_within: float
    quick: bool = False
    senders_within: float | None = None


async def lose_broker(node: int, system: System, load: Load) -> None:
    """kill -9 a node of RabbitMQ. Messages flow while it is away, and when it is back.

    The cluster survives the loss of one node: the previous one must have its members again.
    """
    await system.rabbitmq.may_go(node)
    await system.rabbitmq.kill(node)
    await load.flows(RECOVERY_SECONDS)
    await system.rabbitmq.start(node)
    await load.flows(RECOVERY_SECONDS)


async def lose_primary(system: System, load: Load) -> float:
    """kill -9 the primary, and promote its standby. The old one comes back as the standby."""
    await system.postgres.kill(system.postgres.primary)
    await system.postgres.promote()
    promoted_at = time.monotonic()
    await load.flows(RECOVERY_SECONDS)
    await system.postgres.follow()
    await load.flows(RECOVERY_SECONDS)
    return promoted_at


async def lose_standby(system: System, load: Load) -> None:
    """kill -9 the standby: no commit is acknowledged until it is back."""
    await system.postgres.kill(system.postgres.standby)
    await asyncio.sleep(AWAY_SECONDS)
    await system.postgres.start(system.postgres.standby)
    await load.flows(RECOVERY_SECONDS)


async def change_roles(system: System, load: Load) -> float:
    """A planned change: the primary stops in order, the standby is promoted."""
    record = system.postgres.processes.get(system.postgres.primary)
    await system.postgres.processes.stop(record)
    await system.postgres.promote()
    promoted_at = time.monotonic()
    await load.flows(RECOVERY_SECONDS)
    await system.postgres.follow()
    await load.flows(RECOVERY_SECONDS)
    return promoted_at


async def raise_alarm(system: System, load: Load) -> float:
    """A memory alarm, for longer than a lease: nobody can renew, and nobody goes offline."""
    for node in system.rabbitmq.names:
        await system.rabbitmq.control(node, "set_vm_memory_high_watermark", "0.0000001")
    await asyncio.sleep(1.5 * LEASE_SECONDS)
    for node in system.rabbitmq.names:
        await system.rabbitmq.control(node, "set_vm_memory_high_watermark", "0.4")
    lifted_at = time.monotonic()
    await load.flows(RECOVERY_SECONDS)
    offline = {user.name: user.noticed["user.offline"] for user in load.users if user.noticed["user.offline"]}
    assert not offline
    return lifted_at


async def lose_all_brokers(system: System, load: Load) -> float:
    """kill -9 all nodes of RabbitMQ: REST and handshakes go on, and messages flow when the nodes are back."""
    for node in system.rabbitmq.names:
        await system.rabbitmq.kill(node)
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.gather(*(system.rabbitmq.start(node) for node in system.rabbitmq.names))
    back_at = time.monotonic()
    await load.flows(RECOVERY_SECONDS)
    return back_at


BROKERS = tuple(
    Fault(f"kill -9 RabbitMQ node {node}", partial(lose_broker, node), 10, 3, quick=node == 1) for node in (1, 2, 3)
)
FAULTS = (
    *BROKERS,
    Fault("kill -9 PostgreSQL's primary, promote the standby", lose_primary, 15, 3, quick=True),
    Fault("PostgreSQL changes roles in order", change_roles, 15, 3),
    Fault("kill -9 PostgreSQL's standby for 3 s", lose_standby, 15, 15),
    Fault("memory alarm in RabbitMQ, one and a half leases long", raise_alarm, 10, 3, senders_within=5),
    Fault("kill -9 all nodes of RabbitMQ", lose_all_brokers, 10, 3, senders_within=5),
)
