"""What is done to the system. Each fault is over when its function returns; the load goes on all the time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from redis.asyncio import Redis

from tests.faults.load import Load
from tests.faults.system import System
from tests.support.backends import run
from tools.stack.ladder import program

SHORT_OUTAGE_SECONDS = 1.0
LONG_OUTAGE_SECONDS = 60.0
ALARM_SECONDS = 8.0
DELAY_SECONDS = 0.3
DELAYED_SECONDS = 10.0

Act = Callable[[System, Load], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """`rounds`: how often the long form does it. `quick`: the short form does it, too, once."""

    name: str
    act: Act
    rounds: int = 3
    quick: bool = False
    recovery_seconds: float = 30.0


async def kill(name: str, outage_seconds: float, system: System, _load: Load) -> None:
    """kill -9, and start again after a while."""
    await system.kill(name)
    await asyncio.sleep(outage_seconds)
    await system.start(name)


async def kill_gateways(system: System, load: Load) -> None:
    """kill -9 each gateway in turn: everyone's connection breaks, since who lost one goes to the other."""
    for name in system.services.names("gateway"):
        await kill(name, SHORT_OUTAGE_SECONDS, system, load)
        await load.flows()


async def cut(link: str, outage_seconds: float, system: System, _load: Load) -> None:
    """Reset every connection of a link, and refuse new ones for a while."""
    proxy = system.links[link]
    proxy.refusing = True
    proxy.cut()
    await asyncio.sleep(outage_seconds)
    proxy.refusing = False


async def strand(link: str, system: System, _load: Load) -> None:
    """Leave every connection of a link half open; new ones work. Who uses it has to notice by itself."""
    system.links[link].strand()


async def delay(link: str, system: System, _load: Load) -> None:
    """Let every chunk on a link wait, for a while."""
    proxy = system.links[link]
    proxy.delay_seconds = DELAY_SECONDS
    await asyncio.sleep(DELAYED_SECONDS)
    proxy.delay_seconds = 0


async def kill_subscribers(system: System, _load: Load) -> None:
    """CLIENT KILL TYPE pubsub: gateways lose what is published until they subscribe again."""
    async with Redis.from_url(system.urls["redis"]) as redis:
        await redis.client_kill_filter(_type="pubsub")


async def flush(system: System, _load: Load) -> None:
    """Forget everything in Redis: routes, inboxes, leases, counts."""
    async with Redis.from_url(system.urls["redis"]) as redis:
        await redis.flushall()


async def raise_alarm(system: System, _load: Load) -> None:
    """A memory alarm: RabbitMQ takes nothing from publishers until it ends."""
    control = (program("rabbitmqctl"), "set_vm_memory_high_watermark")
    await run((*control, "0.0000001"), system.broker_environment)
    await asyncio.sleep(ALARM_SECONDS)
    await run((*control, "0.4"), system.broker_environment)


async def restart_gateways(system: System, load: Load) -> None:
    """A rollout: one gateway after the other drains and comes back."""
    for name in system.services.names("gateway"):
        await system.services.restart(name)
        await load.flows()


LINKS = ("database", "amqp", "redis", "clients")

FAULTS = (
    Fault("kill -9 each gateway", kill_gateways, quick=True),
    Fault("kill -9 messaging-1", partial(kill, "messaging-1", SHORT_OUTAGE_SECONDS), quick=True),
    Fault("kill -9 presence-1", partial(kill, "presence-1", SHORT_OUTAGE_SECONDS)),
    Fault("kill -9 notifier-1", partial(kill, "notifier-1", SHORT_OUTAGE_SECONDS)),
    Fault("kill -9 haproxy", partial(kill, "haproxy", SHORT_OUTAGE_SECONDS)),
    Fault("kill -9 postgres", partial(kill, "postgres", SHORT_OUTAGE_SECONDS), quick=True),
    Fault("kill -9 redis", partial(kill, "redis", SHORT_OUTAGE_SECONDS), quick=True),
    Fault("kill -9 rabbitmq", partial(kill, "rabbitmq", SHORT_OUTAGE_SECONDS)),
    Fault("PostgreSQL down for 60 s", partial(kill, "postgres", LONG_OUTAGE_SECONDS), rounds=1, recovery_seconds=60),
    Fault("rollout of the gateways", restart_gateways),
    Fault("CLIENT KILL TYPE pubsub", kill_subscribers, rounds=10, quick=True),
    Fault("FLUSHALL", flush, quick=True),
    Fault("memory alarm in RabbitMQ", raise_alarm, rounds=2),
    *(Fault(f"{link}: cut", partial(cut, link, SHORT_OUTAGE_SECONDS)) for link in LINKS),
    *(Fault(f"{link}: half open", partial(strand, link), rounds=2, recovery_seconds=60) for link in LINKS),
    *(Fault(f"{link}: 300 ms late", partial(delay, link), rounds=1) for link in LINKS),
)
