"""Blocks, and the typing indicators that a block, a message or silence ends."""

import asyncio
import time
from typing import Any

import pytest

from services.messaging.stores.messages import Draft
from services.messaging.stores.pairs import lock, pair_of
from services.messaging.stores.sql import CREATE_CONVERSATION
from services.messaging.typing_indicators.indicators import Indicator
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.relay import ENDS_NOTHING, Command, SetBlock, Typing
from shared.redis import Partitions
from tests.support.messaging import Gateway, Person, Replica, Stall, Talk, eventually, new_person, somebody_waits


async def run(replica: Replica, gateway: Gateway, *commands: Command) -> None:
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


def block(blocker: Person, username: str, *, blocked: bool = True) -> SetBlock:
    return SetBlock(blocker.id, blocker.connection_id, username, blocked)


async def hidden(partitions: Partitions, person: Person) -> set[str]:
    """Whom gateways hide from a person in replays."""
    found: Any = await partitions.of(person.id).client.smembers(keys.key(keys.BLOCKED, person.id))
    return {member.decode() for member in found}


async def test_blocking_by_name(replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions) -> None:
    await run(replica, gateway, block(talk.one, talk.other.username))
    (answer,) = gateway.answers(talk.one)
    assert (answer["type"], answer["payload"]["username"]) == ("block.added", talk.other.username)
    assert gateway.answers(talk.other) == []
    assert await hidden(partitions, talk.one) == {talk.other.id}
    assert await hidden(partitions, talk.other) == {talk.one.id}
    assert [(c.blocker, c.blocked, c.active) for c in replica.recorded.changes] == [(talk.one.id, talk.other.id, True)]


async def test_repeating_keeps_the_first_time(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    for blocked in (True, True, False, False):
        await run(replica, gateway, block(talk.one, talk.other.username, blocked=blocked))
    added, again, removed, once_more = gateway.answers(talk.one)
    assert added == again
    assert removed == once_more
    assert (removed["type"], set(removed["payload"])) == ("block.removed", {"username", "unblockedAt"})
    versions = [change.version for change in replica.recorded.changes]
    first, last = versions
    assert first < last


async def test_lifting_what_was_never_set_is_no_error(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    for _ in range(2):
        await run(replica, gateway, block(talk.one, talk.other.username, blocked=False))
    first, second = gateway.answers(talk.one)
    assert first == second
    assert first["type"] == "block.removed"


async def test_a_block_of_both_ends_with_the_last(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    await run(replica, gateway, block(talk.one, talk.other.username), block(talk.other, talk.one.username))
    await run(replica, gateway, block(talk.one, talk.other.username, blocked=False))
    assert await hidden(partitions, talk.one) == {talk.other.id}
    await run(replica, gateway, talk.send(talk.one))
    assert gateway.answers(talk.one)[-1]["error"]["code"] == "blocked"
    await run(replica, gateway, block(talk.other, talk.one.username, blocked=False))
    assert await hidden(partitions, talk.one) == await hidden(partitions, talk.other) == set()
    await run(replica, gateway, talk.send(talk.one))
    assert len(gateway.events(talk.other)) == 1


@pytest.mark.parametrize(("name", "code"), [("nobody-has-this-name", "user_not_found"), (None, "validation_error")])
async def test_refusals(replica: Replica, talk: Talk, gateway: Gateway, name: str | None, code: str) -> None:
    await run(replica, gateway, block(talk.one, name or talk.one.username))
    (answer,) = gateway.answers(talk.one)
    assert (answer["error"]["code"], answer["ref"]) == (code, {"type": "block.add"})
    assert replica.recorded.changes == []


async def test_commands_around_a_block_keep_their_order(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(
        replica,
        gateway,
        talk.send(talk.one, "before"),
        block(talk.other, talk.one.username),
        talk.send(talk.one, "while", "t2"),
        block(talk.other, talk.one.username, blocked=False),
        talk.send(talk.one, "after"),
    )
    assert [e["payload"]["message"]["content"] for e in gateway.events(talk.other)] == ["before", "after"]
    (refused,) = gateway.answers(talk.one)
    assert refused["ref"]["tempId"] == "t2"


async def test_a_block_before_the_first_word(replica: Replica, gateway: Gateway) -> None:
    one, other = await new_person(replica.pool), await new_person(replica.pool)
    await replica.blocks.set(other.id, one.id, active=True)
    conversation_id, created = await replica.conversations.create(one.id, other.id)
    talk = Talk(conversation_id, one, other)
    await gateway.plug(one)
    await run(replica, gateway, talk.send(one))
    assert created
    assert gateway.answers(one)[0]["error"]["code"] == "blocked"


async def test_a_block_that_is_set_while_the_conversation_is_made_counts(replica: Replica) -> None:
    """Neither statement sees the other's row: they exclude each other."""
    one, other = await new_person(replica.pool), await new_person(replica.pool)
    pair = pair_of(one.id, other.id)
    async with replica.pool.acquire() as maker, maker.transaction():
        await lock(maker, pair)
        await maker.fetchval(CREATE_CONVERSATION, pair.conversation_id, *pair, one.id)
        blocking = asyncio.create_task(replica.blocks.set(other.id, one.id, active=True))
        await eventually(lambda: somebody_waits(replica.pool))
    await blocking
    (refused,) = await replica.messages.append([Draft(Talk(pair.conversation_id, one, other).send(one), "key")])
    assert refused.verdict == "blocked"


async def test_the_answer_reaches_the_other_devices(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    tablet = Person(talk.one.id, talk.one.username)
    await gateway.plug(tablet)
    await run(replica, gateway, block(talk.one, talk.other.username))
    assert gateway.answers(tablet) == gateway.answers(talk.one)
    assert len(gateway.answers(tablet)) == 1


@pytest.fixture
async def typing(replica: Replica, talk: Talk, gateway: Gateway) -> Gateway:
    """Bob sees that Alice types."""
    await replica.indicators.apply([Typing(talk.one.id, talk.id, True)])
    await gateway.until(lambda: len(gateway.transient_events(talk.other)) == 1)
    return gateway


async def test_typing_reaches_the_other_alone(talk: Talk, typing: Gateway) -> None:
    payload = {"conversationId": talk.id, "userId": talk.one.id}
    assert typing.transient_events(talk.other) == [
        {"type": "typing.start", "payload": {**payload, "expiresInMs": 3000}}
    ]
    assert typing.transient_events(talk.one) == []
    assert typing.deliveries(talk.other) == []


async def test_typing_ends_once(replica: Replica, talk: Talk, typing: Gateway) -> None:
    for _ in range(2):
        await replica.indicators.apply([Typing(talk.one.id, talk.id, False)])
    await run(replica, typing)
    assert [event["type"] for event in typing.transient_events(talk.other)] == ["typing.start", "typing.stop"]


async def test_a_beginning_that_its_end_has_overtaken_is_not_shown(
    replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    """Two replicas took the two signals; the one with the beginning was slower."""
    now = int(time.time() * 1000)
    for active, at_ms in ((False, now), (True, now - 1)):
        await replica.indicators.apply([Typing(talk.one.id, talk.id, active, at_ms)])
    await run(replica, gateway)
    assert gateway.transient_events(talk.other) == []
    await replica.indicators.apply([Typing(talk.one.id, talk.id, True, now + 1)])
    await gateway.until(lambda: len(gateway.transient_events(talk.other)) == 1)


async def test_typing_goes_to_connections_from_before_its_start(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    now = int(time.time() * 1000)
    for active, at_ms in ((True, now), (False, now + 100)):
        await replica.indicators.apply([Typing(talk.one.id, talk.id, active, at_ms)])
    await gateway.until(lambda: len(gateway.transient_events(talk.other)) == 2)
    shown = [transient for downlink in gateway.downlinks for transient in downlink.transient_events]
    assert [transient.since_ms for transient in shown] == [now, now]


async def test_the_silence_of_one_device_does_not_end_what_another_began(
    replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    now = int(time.time() * 1000)
    for active, at_ms in ((True, now - 100), (True, now), (False, now - 100)):
        await replica.indicators.apply([Typing(talk.one.id, talk.id, active, at_ms)])
    await run(replica, gateway)
    assert [event["type"] for event in gateway.transient_events(talk.other)] == ["typing.start"]
    await replica.indicators.apply([Typing(talk.one.id, talk.id, False, now)])
    await gateway.until(lambda: len(gateway.transient_events(talk.other)) == 2)


async def test_a_beginning_that_waited_too_long_is_not_shown(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await replica.indicators.apply([Typing(talk.one.id, talk.id, True, int(time.time() * 1000) - 3_000)])
    await run(replica, gateway)
    assert gateway.transient_events(talk.other) == []


async def test_repeats_within_a_second_are_swallowed(replica: Replica, talk: Talk, typing: Gateway) -> None:
    for _ in range(3):
        await replica.indicators.apply([Typing(talk.one.id, talk.id, True)])
    await run(replica, typing)
    assert len(typing.transient_events(talk.other)) == 1


async def test_the_message_ends_the_typing(replica: Replica, talk: Talk, typing: Gateway) -> None:
    await run(replica, typing, talk.send(talk.other, "not the typist's"))
    assert len(typing.transient_events(talk.other)) == 1
    await run(replica, typing, talk.send(talk.one, "this is it"))
    await typing.until(lambda: len(typing.transient_events(talk.other)) == 2)
    assert typing.transient_events(talk.other)[1] == {
        "type": "typing.stop",
        "payload": {"conversationId": talk.id, "userId": talk.one.id},
    }


async def test_a_block_ends_the_typing(replica: Replica, talk: Talk, typing: Gateway) -> None:
    await run(replica, typing, block(talk.other, talk.one.username))
    await typing.until(lambda: len(typing.transient_events(talk.other)) == 2)
    assert typing.transient_events(talk.other)[1]["type"] == "typing.stop"
    assert typing.transient_events(talk.one) == []


async def test_no_typing_passes_a_block(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    await replica.indicators.apply([Typing(person.id, talk.id, True) for person in (talk.one, talk.other)])
    await run(replica, gateway)
    assert gateway.transient_events(talk.one) == gateway.transient_events(talk.other) == []


async def test_a_signal_that_was_read_before_a_block_comes_too_late(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """The statement found no block, then the block was set: the script looks again."""
    await partitions.of(talk.other.id).client.sadd(keys.key(keys.BLOCKED, talk.other.id), talk.one.id)
    await replica.indicators.apply([Typing(talk.one.id, talk.id, True)])
    await run(replica, gateway)
    assert gateway.transient_events(talk.other) == []


async def test_outsiders_cannot_type(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    stranger = await new_person(replica.pool)
    nowhere = "00000000-0000-0000-0000-000000000001"
    await replica.indicators.apply([Typing(stranger.id, talk.id, True), Typing(talk.one.id, nowhere, True)])
    await run(replica, gateway)
    assert gateway.transient_events(talk.one) == gateway.transient_events(talk.other) == []


async def test_an_end_where_nothing_began_leaves_what_another_device_shows(
    replica: Replica, talk: Talk, typing: Gateway
) -> None:
    await replica.indicators.apply([Typing(talk.one.id, talk.id, False, ENDS_NOTHING, talk.one.connection_id)])
    await run(replica, typing)
    assert [event["type"] for event in typing.transient_events(talk.other)] == ["typing.start"]


async def test_an_indicator_is_forgotten_by_itself(talk: Talk, typing: Gateway, partitions: Partitions) -> None:
    partition = partitions.of(talk.other.id)
    key = Indicator(talk.id, talk.one.id, talk.other.id).key(partition.key)
    assert 0 < await partition.client.pttl(key) <= 10_000


async def test_a_late_removal_does_not_undo_a_newer_block(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    name = talk.other.username
    added = SetBlock(talk.one.id, talk.one.connection_id, name, True, 3000)
    late = SetBlock(talk.one.id, talk.one.connection_id, name, False, 2000)
    await run(replica, gateway, added)
    await run(replica, gateway, late)
    assert [answer["type"] for answer in gateway.answers(talk.one)] == ["block.added", "block.added"]
    await run(replica, gateway, talk.send(talk.one))
    assert gateway.answers(talk.one)[-1]["error"]["code"] == "blocked"


async def test_a_repetition_takes_no_transaction(replica: Replica, pool: Pool, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, block(talk.one, talk.other.username))
    async with pool.acquire() as connection, connection.transaction():
        await lock(connection, pair_of(talk.one.id, talk.other.id))
        await run(replica, gateway, block(talk.one, talk.other.username))
    assert len(gateway.answers(talk.one)) == 2


async def test_a_block_that_is_set_before_the_delivery_counts(
    replica: Replica, talk: Talk, gateway: Gateway, partitions: Partitions
) -> None:
    """The message is stored, and not yet delivered: its receiver gets it neither live nor from the inbox."""
    late = gateway.batch(talk.send(talk.one, "late", "t1"))
    stall = Stall(replica)
    waiting = asyncio.create_task(replica.cycle.run([late]))
    await eventually(lambda: stored(replica, talk))
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    stall.release()
    await waiting
    await gateway.completed(late)
    assert gateway.deliveries(talk.other) == []
    assert [event["type"] for event in gateway.events(talk.one)] == ["message.sent"]
    partition = partitions.of(talk.other.id)
    assert await partition.client.xlen(partition.key(keys.INBOX, talk.other.id)) == 1


async def stored(replica: Replica, talk: Talk) -> bool:
    return await replica.last_seq(talk) == 1
