"""`python -m tools.abuse.attacker`: carries out attacks in a separate process, with the lowest priority.

Its one argument is a `Scene` as JSON. Its standard input has an `Order` and an empty line for each attack: it prepares the attack
and prints an empty line; at the empty line it begins; at the end it prints an `Outcome`.
"""

import asyncio
import os
import sys
from collections import Counter
from typing import Final

import msgspec
import uvloop

from shared.redis import Partitions, open_partitions
from tools.abuse.attack import Attack
from tools.abuse.attacks import ATTACKS
from tools.abuse.friends import befriend
from tools.abuse.hostile import Hostile
from tools.abuse.usual_budget import UsualBudget
from tools.bench.limits import raise_open_files
from tools.bench.target import Target
from tools.devtoken import user_id
from tools.stack.parent import end_with_parent

LOWEST_PRIORITY: Final = 19


class Scene(msgspec.Struct):
    """Where attacks happen. `honest`: usernames. `redis_url`: where gateways count what users send."""

    url: str
    admin_url: str | None
    honest: list[str]
    redis_url: str


class Order(msgspec.Struct):
    """Which attack, by a new account, and for how long."""

    attack: str
    seconds: float


class Outcome(msgspec.Struct):
    """`told`: answer → how often the account got it. `sent`: see `Hostile.sent`. `failed`: why the attack broke off."""

    told: dict[str, int] = {}
    sent: dict[str, int] = {}
    failed: str = ""


async def prepared(attack: Attack, target: Target, honest: list[str]) -> Hostile:
    """A new hostile account, ready for an attack."""
    hostile = Hostile(target, honest)
    await hostile.begin()
    if attack.friends:
        await befriend(hostile, attack.friends)
    await attack.prepare(hostile)
    hostile.sent.clear()
    return hostile


async def carry_out(attack: Attack, hostile: Hostile, seconds: float) -> Counter[str]:
    """Attack for `seconds`. Returns the answers that the account got. Raises what the attack raises."""
    try:
        async with asyncio.timeout(seconds):
            await attack.act(hostile)
    except TimeoutError:
        pass
    finally:
        hostile.close()
    return hostile.told


async def obey(order: Order, target: Target, scene: Scene, partitions: Partitions) -> Outcome:
    """Carry out an order. Raises what the attack raises."""
    attack = next(attack for attack in ATTACKS if attack.name == order.attack)
    hostile = await prepared(attack, target, scene.honest)
    budget = UsualBudget(partitions, [str(user_id(name)) for name in (hostile.name, hostile.partner)])
    print(flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await budget.trim()
    keeping = asyncio.create_task(budget.keep())
    try:
        told = await carry_out(attack, hostile, order.seconds)
    finally:
        keeping.cancel()
    return Outcome(dict(told), dict(hostile.sent))


async def main(scene: Scene) -> None:
    """Carry out orders until there are no more."""
    target = Target("system", scene.url, admin_url=scene.admin_url)
    partitions = open_partitions(scene.redis_url)
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            outcome = await obey(msgspec.json.decode(line, type=Order), target, scene, partitions)
        except Exception as error:
            outcome = Outcome(failed=repr(error))
        print(msgspec.json.encode(outcome).decode(), flush=True)


if __name__ == "__main__":
    end_with_parent()
    os.nice(LOWEST_PRIORITY)
    raise_open_files()
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Scene)))
