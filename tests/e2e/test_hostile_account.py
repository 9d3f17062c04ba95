"""One hostile account beside honest pairs: they lose nothing, and what it makes processes hold is bounded.

The short form of `make abuse`, which measures how long the honest pairs wait. How long is not asked here: the machine is shared.
"""

import secrets
from typing import Final

import pytest

from tests.support.stack import Stack
from tools.abuse.attack import Attack
from tools.abuse.attacker import Order, Outcome, Scene, carry_out, prepared
from tools.abuse.attacking import Attacking, attacking
from tools.abuse.attacks import ATTACKS
from tools.abuse.honest import Honest
from tools.abuse.memory import Memory
from tools.bench.people import rest_of
from tools.bench.target import Target

PAIRS: Final = 10
MESSAGES_A_SECOND: Final = 8.0
"""Of all pairs together: each sender stays within the usual budget (30 at once, and one in two seconds)."""
ATTACK_SECONDS: Final = 1.5
FRAME_BYTES: Final = 24_000
MOST_GROWTH_BYTES: Final = 128 * 1024 * 1024
"""Of all replicas of one kind, over all attacks: a replay of ten whole inboxes at once would be 40 MiB, their copies more."""
NAMES: Final = (
    "large-events",
    "many-waiting",
    "unknown-frames",
    "malformed-frames",
    "old-cursors",
    "blocks",
    "history-readers",
    "presence-ids",
    "hostile-bodies",
)


async def is_answered(attack: Attack, target: Target, honest: list[str]) -> bool:
    """Attack, and longer again while nothing is answered: most of a burst is held for a second, on a busy machine for longer."""
    for seconds in (ATTACK_SECONDS, 4 * ATTACK_SECONDS, 16 * ATTACK_SECONDS):
        if await carry_out(attack, await prepared(attack, target, honest), seconds):
            return True
    return False


async def test_honest_pairs_lose_nothing_and_memory_stays_bounded(stack: Stack) -> None:
    """Every message of theirs is acknowledged, received once, and in order, as history has it."""
    target = stack.target
    async with rest_of(target) as rest:
        honest = await Honest.gather(target, rest, f"honest-{secrets.token_hex(3)}", PAIRS, MESSAGES_A_SECOND)
        honest.start()
        memory = Memory(target.processes)
        before = memory.now()
        async with memory.watched():
            for attack in chosen():
                # What it is told depends on how much it gets done: there are tests for each limit.
                assert await is_answered(attack, target, honest.names), f"{attack.name} was told nothing"
            assert await honest.acknowledged(0.5)
        verdict, errors = await honest.finish(rest)
    assert verdict.faults == []
    assert errors == {}
    assert verdict.acknowledged == verdict.received > PAIRS
    grown = {kind: memory.highest[kind] - size for kind, size in before.items()}
    assert max(grown.values()) < MOST_GROWTH_BYTES, grown


async def test_the_attacking_process_tells_what_it_sent_and_goes_on_after_a_failure(stack: Stack) -> None:
    """One process carries out all attacks; what the account still had to send when it was cut off doesn't count."""
    target = stack.target
    assert target.redis_url is not None
    # Attacks need no honest users unless they say so.
    scene = Scene(target.url, target.admin_url, [], target.redis_url)
    # Where other tests use all of the CPU, an idle process might get none.
    async with attacking(scene, idle=False) as attacker:
        outcomes = [await _carried_out(attacker, name) for name in ("many-waiting", "plain-gets")]
        with pytest.raises(RuntimeError, match="StopIteration"):
            await attacker.prepare(Order("no-such-attack", ATTACK_SECONDS))
        await attacker.stop()
        outcomes.append(await _carried_out(attacker, "handshakes"))
    frames, requests, handshakes = (outcome.sent for outcome in outcomes)
    assert frames["frames"] > 0
    assert frames["bytes"] == pytest.approx(frames["frames"] * FRAME_BYTES, rel=0.5)
    assert requests["requests"] > 0
    assert handshakes["handshakes"] > 0
    assert all(outcome.told for outcome in outcomes)


async def _carried_out(attacker: Attacking, name: str) -> Outcome:
    await attacker.prepare(Order(name, ATTACK_SECONDS))
    await attacker.begin()
    return await attacker.outcome()


def chosen() -> list[Attack]:
    """Those that take memory or turns, of each kind one or two."""
    found = [attack for attack in ATTACKS if attack.name in NAMES]
    assert len(found) == len(NAMES)
    return found
