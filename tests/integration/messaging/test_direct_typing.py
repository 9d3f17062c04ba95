"""Gateways carry out typing signals with the script that messaging provides."""

import time

import pytest

from services.gateway.uplink import provided_script
from services.gateway.uplink.direct_typing import DirectTyping
from services.gateway.uplink.provided_script import COMMANDS_PER_CALL
from services.messaging.typing_indicators.direct_script import direct_script
from shared.protocol import keys
from shared.protocol.relay import ENDS_NOTHING, Typing
from shared.redis import Partitions
from tests.support.messaging import Gateway, Person, Replica, Talk, new_person
from tests.support.redis import two_partitions


@pytest.fixture
def partitions(one_partition: Partitions) -> Partitions:
    """One partition: with more, a script doesn't reach everything."""
    return one_partition


@pytest.fixture
async def direct(partitions: Partitions) -> DirectTyping:
    """The signals' way in a gateway, while messaging provides its script."""
    await direct_script(partitions).provide()
    return DirectTyping(partitions)


@pytest.fixture
async def known(replica: Replica, talk: Talk, gateway: Gateway) -> Talk:
    """A conversation in which Bob has typed a moment ago, by way of messaging."""
    await replica.indicators.apply([Typing(talk.other.id, talk.id, True), Typing(talk.other.id, talk.id, False)])
    await gateway.until(lambda: len(shown(gateway, talk.one)) == 2)
    return talk


def signal(talk: Talk, *, active: bool = True, at_ms: int | None = None) -> Typing:
    """Alice begins to type now, or ends it."""
    at = int(time.time() * 1000) if at_ms is None else at_ms
    return Typing(talk.one.id, talk.id, active, at, talk.one.connection_id)


def shown(gateway: Gateway, person: Person) -> list[str]:
    return [event["type"] for event in gateway.transient_events(person)]


async def nothing_is_shown(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    """Everything that was published until now has arrived when the answer to a message has."""
    gateway.forget()
    batch = gateway.batch(talk.send(talk.other, "later"))
    await replica.cycle.run([batch])
    await gateway.completed(batch)
    assert shown(gateway, talk.other) == []


async def test_the_other_participant_gets_the_same_events_as_from_messaging(
    replica: Replica, known: Talk, gateway: Gateway, direct: DirectTyping
) -> None:
    at = int(time.time() * 1000)
    assert await direct.carry_out([signal(known, at_ms=at), signal(known, active=False, at_ms=at)]) == []
    await gateway.until(lambda: len(shown(gateway, known.other)) == 2)
    # Later than the end of the first one, also on a machine that needs less than a millisecond.
    await replica.indicators.apply([signal(known, at_ms=at + 1), signal(known, active=False, at_ms=at + 1)])
    await gateway.until(lambda: len(shown(gateway, known.other)) == 4)
    events = gateway.transient_events(known.other)
    assert events[:2] == events[2:]
    assert [event["type"] for event in events[:2]] == ["typing.start", "typing.stop"]


async def test_messaging_ends_what_a_gateway_began(
    replica: Replica, known: Talk, gateway: Gateway, direct: DirectTyping
) -> None:
    await direct.carry_out([signal(known)])
    await replica.indicators.apply([signal(known, active=False)])
    await gateway.until(lambda: shown(gateway, known.other) == ["typing.start", "typing.stop"])


async def test_a_conversation_that_redis_does_not_know_is_left_to_messaging(talk: Talk, direct: DirectTyping) -> None:
    signals = [signal(talk), signal(talk, active=False)]
    assert await direct.carry_out(signals) == signals


async def test_an_outsider_is_left_to_messaging_for_the_error(
    replica: Replica, known: Talk, direct: DirectTyping
) -> None:
    stranger = await new_person(replica.pool)
    signals = [Typing(stranger.id, known.id, True, 2), Typing(stranger.id, known.id, False, ENDS_NOTHING)]
    assert await direct.carry_out(signals) == signals


async def test_an_end_of_nothing_leaves_what_another_device_shows(
    replica: Replica, known: Talk, gateway: Gateway, direct: DirectTyping
) -> None:
    await direct.carry_out([signal(known)])
    await gateway.until(lambda: shown(gateway, known.other) == ["typing.start"])
    assert await direct.carry_out([signal(known, active=False, at_ms=ENDS_NOTHING)]) == []
    await nothing_is_shown(replica, known, gateway)


@pytest.mark.parametrize("blocker", [0, 1], ids=["the-typist", "the-receiver"])
async def test_nothing_passes_a_block(
    replica: Replica, known: Talk, gateway: Gateway, direct: DirectTyping, blocker: int
) -> None:
    people = (known.one.id, known.other.id)
    await replica.blocks.set(people[blocker], people[1 - blocker], active=True)
    assert await direct.carry_out([signal(known)]) == []
    await nothing_is_shown(replica, known, gateway)
    await replica.blocks.set(people[blocker], people[1 - blocker], active=False)
    await direct.carry_out([signal(known)])
    await gateway.until(lambda: shown(gateway, known.other) == ["typing.start"])


async def test_a_block_that_redis_has_lost_gives_no_permission(
    replica: Replica, talk: Talk, direct: DirectTyping, partitions: Partitions
) -> None:
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    await partitions.at(0).client.delete(keys.key(keys.BLOCKED, talk.other.id))
    await replica.indicators.apply([signal(talk)])
    assert len(await direct.carry_out([signal(talk)])) == 1


async def test_a_block_after_the_statement_gives_no_permission(
    replica: Replica, talk: Talk, direct: DirectTyping, partitions: Partitions
) -> None:
    """The statement found no block, then the block was set: the script looks again."""
    await partitions.at(0).client.sadd(keys.key(keys.BLOCKED, talk.other.id), talk.one.id)
    await replica.indicators.apply([signal(talk)])
    assert len(await direct.carry_out([signal(talk)])) == 1


async def test_a_permission_is_not_renewed(known: Talk, direct: DirectTyping, partitions: Partitions) -> None:
    """So PostgreSQL is asked again for a block that Redis has lost."""
    pair = keys.key(keys.TYPING_PAIR, known.id)
    await partitions.at(0).client.pexpire(pair, 60_000)
    assert await direct.carry_out([signal(known)]) == []
    assert 0 < await partitions.at(0).client.pttl(pair) <= 60_000


async def test_a_beginning_that_waited_too_long_is_not_shown(
    replica: Replica, known: Talk, gateway: Gateway, direct: DirectTyping
) -> None:
    assert await direct.carry_out([signal(known, at_ms=int(time.time() * 1000) - 3_000)]) == []
    await nothing_is_shown(replica, known, gateway)


async def test_many_signals_go_in_parts_and_stay_in_order(replica: Replica, known: Talk, direct: DirectTyping) -> None:
    unknown = await replica.talk()
    signals = [signal(talk) for _ in range(COMMANDS_PER_CALL) for talk in (known, unknown)]
    assert await direct.carry_out(signals) == [signal for signal in signals if signal.conversation_id == unknown.id]


async def test_without_a_script_all_signals_go_to_the_queue(known: Talk, partitions: Partitions) -> None:
    await partitions.at(0).client.delete(keys.DIRECT_TYPING)
    signals = [signal(known)]
    assert await DirectTyping(partitions).carry_out(signals) == signals


async def test_a_redis_that_forgot_the_script_is_asked_again_later(
    known: Talk, direct: DirectTyping, partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await direct.carry_out([signal(known)]) == []
    await partitions.at(0).client.script_flush()
    assert len(await direct.carry_out([signal(known)])) == 1
    await direct_script(partitions).provide()
    monkeypatch.setattr(provided_script, "LOOK_SECONDS", 0)
    direct = DirectTyping(partitions)
    assert await direct.carry_out([signal(known)]) == []


async def test_with_several_partitions_all_signals_go_to_the_queue(known: Talk, redis_url: str) -> None:
    several = two_partitions(redis_url)
    signals = [signal(known)]
    assert await DirectTyping(several).carry_out(signals) == signals
    await several.aclose()
