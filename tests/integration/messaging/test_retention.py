"""Retention: the beginning of a history expires, with all that belongs to it, and the rest stays as it was."""

from typing import Any
from uuid import uuid4

import pytest

from services.messaging.retention import Retention
from services.messaging.stores.expiry import BATCH, Expiry
from shared.postgres import Pool
from shared.protocol import keys
from shared.redis import Partitions
from shared.webhooks import NO_WEBHOOKS
from tests.support.messaging import Gateway, Replica, Talk, eventually
from tests.support.messaging_rest import Rest

DAYS = 30
TABLES = ("messages", "revisions", "reactions")


def retention_of(replica: Replica) -> Retention:
    """Retention as a process runs it."""
    expiry = Expiry(replica.pool, DAYS, 0.0, NO_WEBHOOKS)
    return Retention(expiry, replica.partitions, replica.fanout, replica.announcer)


async def complete_round(retention: Retention) -> None:
    """Until a round ended that began now."""
    for _ in range(2):
        while await retention.step():
            pass


async def age(pool: Pool, talk: Talk, upto: int) -> None:
    """Make messages up to `upto` older than the retention time."""
    await pool.execute(
        "UPDATE messaging.messages SET created_at = created_at - interval '40 days' WHERE conversation_id = $1 AND seq <= $2",
        talk.id,
        upto,
    )


async def run(replica: Replica, gateway: Gateway, *commands: Any) -> None:
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


async def seqs(pool: Pool, talk: Talk, table: str = "messages") -> list[int]:
    rows = await pool.fetch(f"SELECT seq FROM messaging.{table} WHERE conversation_id = $1 ORDER BY seq", talk.id)
    return [row["seq"] for row in rows]


async def redis_unread(partitions: Partitions, talk: Talk) -> int:
    partition = partitions.of(talk.other.id)
    return int(await partition.client.get(partition.key(keys.UNREAD_CONVERSATION, talk.other.id, talk.id)) or 0)


async def test_the_beginning_expires_and_the_rest_stays(
    replica: Replica, gateway: Gateway, talk: Talk, rest: Rest, pool: Pool, partitions: Partitions
) -> None:
    await run(replica, gateway, *(talk.send(talk.one, f"m{n}", f"t{n}") for n in range(1, 6)))
    await run(replica, gateway, talk.read(talk.other, 2), talk.edit(talk.one, 1, "edited"))
    await run(replica, gateway, talk.react(talk.other, 1), talk.send(talk.one, "quotes", "t6", reply_to=3))
    await age(pool, talk, 3)
    await complete_round(retention_of(replica))

    assert [await seqs(pool, talk, table) for table in TABLES] == [[4, 5, 6], [], []]
    for person in (talk.one, talk.other):
        body = await rest.get(person, f"/chat/conversations/{talk.id}")
        assert (body["firstSeq"], body["lastSeq"], body["lastMessage"]["seq"]) == (4, 6, 6)
        marks = {each["id"]: each["readSeq"] for each in body["participants"]}
        assert marks[talk.other.id] == 2, "the mark stays, although what was read is gone"
    body = await rest.get(talk.other, f"/chat/conversations/{talk.id}")
    assert body["unread"] == 3, "of four unread ones, 3 expired"
    assert await redis_unread(partitions, talk) == 3
    assert await replica.counts.compare(talk.other.id) == []
    await gateway.until(lambda: bool(gateway.events(talk.other, "conversation.updated")))
    told = gateway.events(talk.other, "conversation.updated")[-1]["payload"]["conversation"]
    assert (told["unread"], told["firstSeq"]) == (3, 4)

    path = f"/chat/conversations/{talk.id}/messages"
    page = await rest.get(talk.one, path, beforeSeq=6)
    assert ([each["seq"] for each in page["items"]], page["nextPage"]) == ([4, 5], None)
    page = await rest.get(talk.one, path, afterSeq=0, limit=1)
    assert [each["seq"] for each in page["items"]] == [4]
    page = await rest.get(talk.one, path, afterSeq=5)
    assert page["items"][0]["replyTo"] == {"seq": 3}

    await run(replica, gateway, talk.send(talk.one, "next", "t7"))
    assert await seqs(pool, talk) == [4, 5, 6, 7]
    assert await replica.counts.compare(talk.other.id) == []


async def test_inboxes_show_no_expired_text(
    replica: Replica, gateway: Gateway, talk: Talk, pool: Pool, partitions: Partitions
) -> None:
    await run(replica, gateway, talk.send(talk.one, "very secret", "t1"), talk.send(talk.one, "kept", "t2"))
    await run(replica, gateway, talk.edit(talk.one, 1, "secret, too"), talk.send(talk.other, "re", reply_to=1))
    await age(pool, talk, 1)
    await complete_round(retention_of(replica))
    for person in (talk.one, talk.other):
        partition = partitions.of(person.id)
        entries = str(await partition.client.xrange(partition.key(keys.INBOX, person.id)))
        assert "secret" not in entries
        assert "kept" in entries


async def test_inboxes_of_users_who_write_little_show_no_expired_text(
    replica: Replica, gateway: Gateway, talk: Talk, pool: Pool, partitions: Partitions
) -> None:
    """An inbox lives for as long as its user connects, so it may have entries of any age."""
    await run(replica, gateway, talk.send(talk.one, "a secret", "t1"), talk.send(talk.one, "kept", "t2"))
    await run(replica, gateway, talk.send(talk.other, "quotes the secret", "t3", reply_to=1), talk.react(talk.other, 2))
    await age(pool, talk, 1)
    await pool.execute(
        "UPDATE messaging.messages SET created_at = created_at - interval '20 days' WHERE conversation_id = $1 AND seq > 1",
        talk.id,
    )
    await complete_round(retention_of(replica))
    assert await seqs(pool, talk) == [2, 3]
    for person in (talk.one, talk.other):
        partition = partitions.of(person.id)
        entries = str(await partition.client.xrange(partition.key(keys.INBOX, person.id)))
        assert ("a secret" in entries, "quotes the secret" in entries, "kept" in entries) == (False, True, True)


async def test_a_conversation_of_which_all_is_expired_stays(
    replica: Replica, gateway: Gateway, talk: Talk, rest: Rest, pool: Pool, partitions: Partitions
) -> None:
    await run(replica, gateway, talk.send(talk.one, "gone", "t1"), talk.send(talk.one, "gone", "t2"))
    await age(pool, talk, 2)
    await complete_round(retention_of(replica))
    listed = (await rest.get(talk.other, "/chat/conversations"))["items"]
    assert [(each["id"], each["lastMessage"], each["unread"]) for each in listed] == [(talk.id, None, 0)]
    assert (listed[0]["firstSeq"], listed[0]["lastSeq"]) == (3, 2)
    assert (await rest.get(talk.other, f"/chat/conversations/{talk.id}/messages"))["items"] == []
    partition = partitions.of(talk.id)
    assert await partition.client.exists(partition.key(keys.LAST_MESSAGE, talk.id)) == 0
    await run(replica, gateway, talk.send(talk.other, "again", "t3"))
    assert (await rest.get(talk.one, f"/chat/conversations/{talk.id}"))["lastMessage"]["seq"] == 3


async def test_a_long_history_goes_in_batches_and_its_uploads_go_along(
    replica: Replica, gateway: Gateway, talk: Talk, pool: Pool
) -> None:
    count = BATCH + 5
    await run(replica, gateway, *(talk.send(talk.one, f"m{n}", f"t{n}") for n in range(count)))
    await pool.execute(
        """
        INSERT INTO media.uploads
            (id, user_id, conversation_id, state, name, mime_type, size, expires_at, media, message_seq, message_key)
        VALUES ($1, $2, $3, 'used', 'a.png', 'image/png', 1, now(), '{}', $4, 't')
        """,
        str(uuid4()),
        talk.one.id,
        talk.id,
        count,
    )
    await age(pool, talk, count)
    retention = retention_of(replica)
    await eventually(lambda: _stepped(retention, pool, talk))
    assert await seqs(pool, talk) == list(range(BATCH + 1, count + 1)), "one transaction deletes one batch"
    await complete_round(retention)
    assert await seqs(pool, talk) == []
    query = "SELECT state FROM media.uploads WHERE conversation_id = $1"
    assert await pool.fetchval(query, talk.id) == "released"


async def _stepped(retention: Retention, pool: Pool, talk: Talk) -> bool:
    """One step; true when it came to this conversation."""
    await retention.step()
    return (await seqs(pool, talk))[0] != 1


async def test_what_a_killed_replica_left_is_done_by_the_next(
    replica: Replica, gateway: Gateway, talk: Talk, pool: Pool, partitions: Partitions
) -> None:
    await run(replica, gateway, talk.send(talk.one, "secret", "t1"), talk.send(talk.one, "kept", "t2"))
    await run(replica, gateway, talk.edit(talk.one, 1, "secret, too"))
    await age(pool, talk, 1)
    killed = Expiry(pool, DAYS, 0.0, NO_WEBHOOKS)
    step = await killed.step()
    while step is None or step.expired is None or step.expired.conversation_id != talk.id:
        if step is not None and step.expired is not None:
            await killed.settle(step.expired)
        step = await killed.step()
    assert await seqs(pool, talk) == [2]
    assert await redis_unread(partitions, talk) == 2, "Redis was not told before the end came"
    await complete_round(retention_of(replica))
    assert await redis_unread(partitions, talk) == 1
    assert await replica.counts.compare(talk.other.id) == []
    partition = partitions.of(talk.other.id)
    assert "secret" not in str(await partition.client.xrange(partition.key(keys.INBOX, talk.other.id)))


async def test_a_batch_is_one_replicas_work(replica: Replica, pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM messaging.retention FOR UPDATE")
        assert not await retention_of(replica).step()


async def test_younger_messages_keep_what_is_behind_them(
    replica: Replica, gateway: Gateway, talk: Talk, pool: Pool
) -> None:
    await run(replica, gateway, *(talk.send(talk.one, f"m{n}", f"t{n}") for n in range(1, 4)))
    await pool.execute(
        "UPDATE messaging.messages SET created_at = created_at - interval '40 days' WHERE conversation_id = $1 AND seq <> 2",
        talk.id,
    )
    await complete_round(retention_of(replica))
    assert await seqs(pool, talk) == [2, 3]


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_without_expired_messages_nothing_changes(
    replica: Replica, gateway: Gateway, talk: Talk, rest: Rest
) -> None:
    await run(replica, gateway, talk.send(talk.one, "young", "t1"))
    await complete_round(retention_of(replica))
    body = await rest.get(talk.other, f"/chat/conversations/{talk.id}")
    assert (body["firstSeq"], body["unread"], body["lastMessage"]["content"]) == (1, 1, "young")
