"""The erasure of a user, in messaging: what a request does that another replica began and didn't finish."""

from typing import Any

import pytest

from services.messaging.server_api.erasure import Erasure
from services.messaging.server_api.user_data import UserData
from shared.postgres import Pool
from shared.protocol import keys
from shared.protocol.relay import DeleteMessage
from shared.redis import Partitions
from shared.webhooks.outbox import NO_WEBHOOKS
from tests.support.messaging import Gateway, Person, Replica, Talk


@pytest.fixture
def erasure(pool: Pool, partitions: Partitions, replica: Replica) -> Erasure:
    data = UserData(pool, NO_WEBHOOKS)
    return Erasure(partitions, data, replica.blocks, replica.handlers, replica.fanout, replica.cycle)


async def say(replica: Replica, gateway: Gateway, talk: Talk, *texts: str) -> None:
    """Alice sends these."""
    batch = gateway.batch(*(talk.send(talk.one, text) for text in texts))
    await replica.cycle.run([batch])
    await gateway.completed(batch)


async def kept_of(partitions: Partitions, talk: Talk, person: Person) -> bytes:
    """What Redis holds of the conversation's texts: the person's inbox, and the last message."""
    partition, of_talk = partitions.of(person.id), partitions.of(talk.id)
    entries: Any = await partition.client.xrange(partition.key(keys.INBOX, person.id))
    last: Any = await of_talk.client.hget(of_talk.key(keys.LAST_MESSAGE, talk.id), "content")
    return b"\n".join([*(fields[b"e"] for _, fields in entries), last or b""])


async def erase(erasure: Erasure, person: Person, *, again: bool) -> None:
    """All of it, as the job does: request after request."""
    done = await erasure.erase(person.id, "", again)
    while done.more:
        done = await erasure.erase(person.id, done.page, again=False)


async def deleted_without_a_word(replica: Replica, talk: Talk, *seqs: int) -> None:
    """What a replica leaves that is killed between the commit and the fan-out."""
    await replica.changes.delete([DeleteMessage(talk.one.id, "", talk.id, seq, None) for seq in seqs])


async def test_what_was_deleted_and_not_announced_is_removed_everywhere(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway, erasure: Erasure
) -> None:
    await say(replica, gateway, talk, "secret 1", "secret 2")
    await deleted_without_a_word(replica, talk, 1, 2)
    assert b"secret 2" in await kept_of(partitions, talk, talk.other)
    gateway.forget()
    await erase(erasure, talk.one, again=True)
    assert b"secret" not in await kept_of(partitions, talk, talk.other)
    await gateway.until(lambda: len(gateway.events(talk.other, "user.deleted")) == 1)
    assert [event["payload"]["seq"] for event in gateway.events(talk.other, "message.deleted")] == [1, 2]
    assert await replica.counts.of(talk.other.id) == {}


async def test_a_step_that_was_not_announced_is_found_before_others_are_made(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway, erasure: Erasure
) -> None:
    await say(replica, gateway, talk, "secret 1", "secret 2", "secret 3")
    await deleted_without_a_word(replica, talk, 1, 2)
    await erase(erasure, talk.one, again=True)
    assert b"secret" not in await kept_of(partitions, talk, talk.other)


async def test_what_the_user_deleted_before_is_not_announced_again(
    replica: Replica, talk: Talk, gateway: Gateway, erasure: Erasure
) -> None:
    await say(replica, gateway, talk, "one", "two")
    batch = gateway.batch(DeleteMessage(talk.one.id, "", talk.id, 1, None))
    await replica.cycle.run([batch])
    await gateway.completed(batch)
    gateway.forget()
    await erase(erasure, talk.one, again=False)
    await gateway.until(lambda: len(gateway.events(talk.other, "user.deleted")) == 1)
    assert [event["payload"]["seq"] for event in gateway.events(talk.other, "message.deleted")] == [2]
