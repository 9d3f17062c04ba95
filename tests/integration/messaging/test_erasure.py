"""The erasure of a user, in messaging: what a request does that another replica began and didn't finish."""

import asyncio
import json
from typing import Any

import pytest

from services.messaging.server_api.erasure import Erasure
from services.messaging.server_api.user_data import UserData
from services.messaging.stores.reports import Complaint, Reports
from shared.postgres import Pool
from shared.protocol import keys, relay
from shared.protocol.relay import DeleteMessage
from shared.redis import Partitions
from shared.webhooks.outbox import NO_WEBHOOKS
from tests.support.messaging import Gateway, Person, Replica, Talk, eventually, somebody_waits


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


async def test_a_message_that_is_being_stored_meanwhile_is_deleted_too(
    replica: Replica, talk: Talk, gateway: Gateway, erasure: Erasure
) -> None:
    """The user's last command was in the queue when the erasure began."""
    async with replica.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM messaging.conversations WHERE id = $1::uuid FOR UPDATE", talk.id)
        sending = asyncio.create_task(say(replica, gateway, talk, "secret"))
        await eventually(lambda: somebody_waits(replica.pool))
        erasing = asyncio.create_task(erase(erasure, talk.one, again=False))
        await eventually(lambda: somebody_waits(replica.pool, 2))
    await asyncio.gather(sending, erasing)
    await gateway.until(lambda: len(gateway.events(talk.other, "user.deleted")) == 1)
    assert [event["payload"]["seq"] for event in gateway.events(talk.other, "message.deleted")] == [1]
    query = "SELECT content FROM messaging.messages WHERE conversation_id = $1::uuid"
    assert await replica.pool.fetchval(query, talk.id) is None


async def test_reports_quote_nothing_of_an_erased_user(replica: Replica, talk: Talk, erasure: Erasure) -> None:
    await replica.cycle.run([relay.CommandBatch("g", 1, [talk.send(talk.one, "secret")])])
    await replica.cycle.run([relay.CommandBatch("g", 2, [talk.send(talk.other, "mine", reply_to=1)])])
    messages = await replica.messages.at([(talk.other.id, talk.id, seq) for seq in (1, 2)])
    made = await Reports(replica.pool).add(Complaint(talk.id, talk.other.id, "spam", None), messages)
    await erase(erasure, talk.one, again=False)
    kept = json.loads(await replica.pool.fetchval("SELECT messages FROM messaging.reports WHERE id = $1", made["id"]))
    assert [message["content"] for message in kept] == [None, "mine"]
    assert kept[1]["replyTo"] == {"seq": 1}
