"""`python -m tools.abuse.attacker`: one attack in a separate process, with the lowest priority.

Its one argument is an `Order` as JSON. It prepares the attack and prints a line, begins at a line on its standard input, and
prints the answers that it got, as JSON.
"""

import asyncio
import os
import sys
from collections import Counter
from typing import Final

import msgspec
import uvloop

from shared.redis import open_partitions
from tools.abuse.attack import Attack
from tools.abuse.attacks import ATTACKS
from tools.abuse.friends import befriend
from tools.abuse.hostile import Hostile
from tools.abuse.usual_budget import UsualBudget
from tools.bench.limits import raise_open_files
from tools.bench.target import Target
from tools.devtoken import user_id

LOWEST_PRIORITY: Final = 19


class Order(msgspec.Struct):
    """Which attack, for how long, on whom. `honest`: usernames. `redis_url`: where gateways count what users send."""

    attack: str
    seconds: float
    url: str
    admin_url: str | None
    honest: list[str]
    redis_url: str


async def prepared(attack: Attack, target: Target, honest: list[str]) -> Hostile:
    """A new hostile account, ready for an attack."""
    hostile = Hostile(target, honest)
    await hostile.begin()
    if attack.friends:
        await befriend(hostile, attack.friends)
    await attack.prepare(hostile)
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


async def main(order: Order) -> None:
    """Carry out an order."""
    attack = next(attack for attack in ATTACKS if attack.name == order.attack)
    target = Target("system", order.url, admin_url=order.admin_url)
    hostile = await prepared(attack, target, order.honest)
    budget = UsualBudget(open_partitions(order.redis_url), str(user_id(hostile.name)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await budget.trim()
    keeping = asyncio.create_task(budget.keep())
    told = await carry_out(attack, hostile, order.seconds)
    keeping.cancel()
    print(msgspec.json.encode(told).decode(), flush=True)


if __name__ == "__main__":
    os.nice(LOWEST_PRIORITY)
    raise_open_files()
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Order)))
