"""Read and delivery marks: they only move forward, and each change is published once."""

import asyncio
import time
import uuid

import pytest

from services.messaging.stores.messages import Draft
from services.messaging.stores.receipts import EVERYTHING, Mark
from services.messaging.stores.sql import APPEND
from shared.postgres import Pool
from shared.protocol import relay
from shared.protocol.codec import instant
from shared.protocol.relay import Command
from tests.support.messaging import Event, Gateway, Person, Replica, Talk, eventually, somebody_waits

WAIT_SECONDS = 30

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)


async def run(replica: Replica, gateway: Gateway, *commands: Command) -> None:
    """One cycle, whose events alone the gateway remembers."""
    gateway.forget()
    batch = gateway.batch(*commands)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


async def fill(replica: Replica, gateway: Gateway, talk: Talk, messages: int) -> None:
    await run(replica, gateway, *(talk.send(talk.one, str(number)) for number in range(messages)))


def payloads(gateway: Gateway, person: Person, kind: str) -> list[Event]:
    return [event["payload"] for event in gateway.events(person, kind)]


async def state(replica: Replica, viewer: Person, talk: Talk, last: int) -> list[tuple[bool, str | None, str | None]]:
    """(isRead, readAt, deliveredAt) of each message in history, as the viewer sees it."""
    messages = await replica.messages.at([(viewer.id, talk.id, seq) for seq in range(1, last + 1)])
    return [(message.is_read, message.read_at, message.delivered_at) for message in messages]


async def test_reading_all(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 3)
    await run(replica, gateway, talk.read(talk.other))
    (ack,), (update,) = (
        payloads(gateway, talk.other, "message.read_ack"),
        payloads(gateway, talk.one, "message.read_update"),
    )
    assert ack == {
        "conversationId": talk.id,
        "readAt": update["readAt"],
        "seq": 3,
        "unread": {"conversation": 0, "total": 0},
    }
    assert update == {"conversationId": talk.id, "readBy": talk.other.id, "readAt": ack["readAt"], "seq": 3}
    assert await state(replica, talk.one, talk, 3) == [(True, ack["readAt"], ack["readAt"])] * 3
    assert payloads(gateway, talk.one, "message.delivered_update") == []


async def test_reading_up_to_a_seq(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 5)
    await run(replica, gateway, talk.read(talk.other, 2))
    (first,) = payloads(gateway, talk.other, "message.read_ack")
    assert (first["seq"], first["unread"]["conversation"]) == (2, 3)
    await run(replica, gateway, talk.read(talk.other, 4))
    (second,) = payloads(gateway, talk.other, "message.read_ack")
    assert (second["seq"], second["unread"]["conversation"]) == (4, 1)
    read = [read_at for _, read_at, _ in await state(replica, talk.one, talk, 5)]
    assert read == [first["readAt"]] * 2 + [second["readAt"]] * 2 + [None]


async def test_what_moves_no_mark_waits_for_nobody_and_writes_nothing(
    replica: Replica, pool: Pool, talk: Talk, gateway: Gateway
) -> None:
    """A lock would be written to PostgreSQL's log, and everybody's cycle would wait for the disk."""
    await fill(replica, gateway, talk, 3)
    await run(replica, gateway, talk.read(talk.other))
    (first,) = payloads(gateway, talk.other, "message.read_ack")
    stranger = await replica.talk()
    repeated: tuple[Command, ...] = (talk.read(talk.other), talk.read(talk.other, 2), talk.delivered(talk.other, 3))
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("UPDATE messaging.conversations SET version = version WHERE id = $1::uuid", talk.id)
        for command in (*repeated, talk.read(stranger.one)):
            await asyncio.wait_for(run(replica, gateway, command), WAIT_SECONDS)
    assert payloads(gateway, stranger.one, "message.read_ack") == []
    await run(replica, gateway, repeated[0])
    assert payloads(gateway, talk.other, "message.read_ack") == [first]


@pytest.mark.parametrize("seq", [6, 1_000_000])
async def test_a_seq_beyond_the_last_is_clamped(replica: Replica, talk: Talk, gateway: Gateway, seq: int) -> None:
    await fill(replica, gateway, talk, 5)
    await run(replica, gateway, talk.read(talk.other, seq), talk.delivered(talk.one, seq))
    assert [ack["seq"] for ack in payloads(gateway, talk.other, "message.read_ack")] == [5]
    await run(replica, gateway, talk.send(talk.one, "unread"))
    assert (await state(replica, talk.one, talk, 6))[-1][0] is False


async def test_repeating_answers_and_changes_nothing(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 3)
    await run(replica, gateway, talk.read(talk.other))
    (first,) = payloads(gateway, talk.other, "message.read_ack")
    for again in (talk.read(talk.other), talk.read(talk.other, 1), talk.read(talk.other, 3)):
        await run(replica, gateway, again)
        assert payloads(gateway, talk.other, "message.read_ack") == [first]
        assert payloads(gateway, talk.one, "message.read_update") == []


async def test_an_empty_conversation_can_be_read(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.read(talk.other))
    (ack,) = payloads(gateway, talk.other, "message.read_ack")
    assert (ack["seq"], ack["unread"]) == (0, {"conversation": 0, "total": 0})


async def test_own_messages_become_read_by_nobody(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 2)
    await run(replica, gateway, talk.read(talk.one), talk.delivered(talk.one, 2))
    assert len(payloads(gateway, talk.one, "message.read_ack")) == 1
    assert gateway.events(talk.other) == []
    assert await state(replica, talk.one, talk, 2) == [(False, None, None)] * 2


async def test_each_read_is_acknowledged(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 3)
    await run(replica, gateway, talk.read(talk.other, 1), talk.read(talk.other, 3), talk.read(talk.other, 2))
    assert [ack["seq"] for ack in payloads(gateway, talk.other, "message.read_ack")] == [3, 3, 3]
    assert [update["seq"] for update in payloads(gateway, talk.one, "message.read_update")] == [3]


async def test_delivery_is_told_when_it_advances(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 4)
    await run(replica, gateway, talk.delivered(talk.other, 3))
    (update,) = payloads(gateway, talk.one, "message.delivered_update")
    assert (update["deliveredTo"], update["seq"]) == (talk.other.id, 3)
    for again in (talk.delivered(talk.other, 3), talk.delivered(talk.other, 1)):
        await run(replica, gateway, again)
        assert gateway.events(talk.one) == []
    assert await state(replica, talk.one, talk, 4) == [(False, None, update["deliveredAt"])] * 3 + [(False, None, None)]


async def test_delivery_before_reading_keeps_its_time(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 1)
    await run(replica, gateway, talk.delivered(talk.other, 1))
    (delivered,) = payloads(gateway, talk.one, "message.delivered_update")
    await asyncio.sleep(0.002)  # the clock must move on: it counts milliseconds
    await run(replica, gateway, talk.read(talk.other))
    (read,) = payloads(gateway, talk.one, "message.read_update")
    assert read["readAt"] > delivered["deliveredAt"]
    assert await state(replica, talk.one, talk, 1) == [(True, read["readAt"], delivered["deliveredAt"])]


async def test_reading_implies_delivery(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await fill(replica, gateway, talk, 3)
    await run(replica, gateway, talk.read(talk.other, 2))
    await run(replica, gateway, talk.delivered(talk.other, 2))
    assert gateway.events(talk.one) == []
    await run(replica, gateway, talk.delivered(talk.other, 3))
    assert [update["seq"] for update in payloads(gateway, talk.one, "message.delivered_update")] == [3]


async def test_reading_and_sending_at_once(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    """What is sent in the same cycle wasn't seen by who reads «all» in it, whichever comes first in the batch."""
    await fill(replica, gateway, talk, 1)
    await run(replica, gateway, talk.send(talk.one, "new"), talk.read(talk.other))
    assert await state(replica, talk.one, talk, 2) == [
        (True, *[(await state(replica, talk.one, talk, 1))[0][1]] * 2),
        (False, None, None),
    ]
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}


async def test_no_receipt_passes_a_block(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    """The reader's own state changes; the other side learns nothing, then or later."""
    await fill(replica, gateway, talk, 2)
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    await run(replica, gateway, talk.delivered(talk.other, 2), talk.read(talk.other, 1))
    (ack,) = payloads(gateway, talk.other, "message.read_ack")
    assert ack["unread"]["conversation"] == 1
    assert gateway.events(talk.one) == []
    await replica.blocks.set(talk.other.id, talk.one.id, active=False)
    assert [read for read, _, _ in await state(replica, talk.other, talk, 2)] == [True, False]
    assert await state(replica, talk.one, talk, 2) == [(False, None, None)] * 2
    await run(replica, gateway, talk.read(talk.other))
    (update,) = payloads(gateway, talk.one, "message.read_update")
    assert update["seq"] == 2
    assert await state(replica, talk.one, talk, 2) == [(True, update["readAt"], update["readAt"])] * 2


@pytest.mark.parametrize("block", [False, True])
async def test_redelivered_marks_are_published(replica: Replica, talk: Talk, gateway: Gateway, block: bool) -> None:
    """As after a crash between commit and fan-out: the times are those of the first attempt."""
    await fill(replica, gateway, talk, 3)
    lost = await replica.receipts.mark([Mark(talk.id, talk.other.id, 2, 3)])
    await asyncio.sleep(0.002)  # the clock must move on: it counts milliseconds
    if block:
        await replica.blocks.set(talk.one.id, talk.other.id, active=True)
    batch = gateway.batch(talk.read(talk.other, 2), talk.delivered(talk.other, 3), again=True)
    for times in (1, 0):
        gateway.forget()
        await replica.cycle.run([batch])
        await gateway.completed(batch)
        read, delivered = (
            [(told["seq"], told[at]) for told in payloads(gateway, talk.one, kind)]
            for kind, at in (("message.read_update", "readAt"), ("message.delivered_update", "deliveredAt"))
        )
        assert read == ([] if block else [(2, instant(lost[0].read_at))] * times)
        assert delivered == ([] if block else [(3, instant(lost[0].delivered_at))] * times)


async def test_marks_that_were_not_published_are_not_when_redelivered(
    replica: Replica, talk: Talk, gateway: Gateway
) -> None:
    """The last mark covered the reader's own message alone, or was made behind a block."""
    await fill(replica, gateway, talk, 2)
    await run(replica, gateway, talk.read(talk.other), talk.send(talk.other))
    await run(replica, gateway, talk.read(talk.other), talk.delivered(talk.other, 3))
    assert gateway.events(talk.one) == []
    await replica.cycle.run([gateway.batch(talk.read(talk.other), talk.delivered(talk.other, 3), again=True)])
    await run(replica, gateway, talk.send(talk.one))
    assert {event["type"] for event in gateway.events(talk.one)} == {"message.sent"}
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    await run(replica, gateway, talk.read(talk.other))
    await replica.blocks.set(talk.other.id, talk.one.id, active=False)
    await replica.cycle.run([gateway.batch(talk.read(talk.other), talk.delivered(talk.other, 4), again=True)])
    await run(replica, gateway)
    assert gateway.events(talk.one) == []


async def test_what_was_committed_while_waiting_is_counted(replica: Replica, talk: Talk) -> None:
    """A reader that waits for the row sees, in its own snapshot, none of the messages that it reads."""
    await replica.messages.append([Draft(talk.send(talk.one), "seen")])
    async with replica.pool.acquire() as writer:
        transaction = writer.transaction()
        await transaction.start()
        sends = [talk.send(talk.one) for _ in range(3)]
        columns = zip(*((s.user_id, s.conversation_id, str(uuid.uuid4()), s.type, s.content, s.media) for s in sends))  # noqa: B905
        await writer.fetch(APPEND, [str(uuid.uuid4()) for _ in sends], *map(list, columns), [], [])
        reading = asyncio.create_task(replica.receipts.mark([Mark(talk.id, talk.other.id, 3, None)]))
        await eventually(lambda: somebody_waits(replica.pool))
        await transaction.commit()
    (marked,) = await reading
    assert (marked.read_seq, marked.unread) == (3, 1)
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}


async def test_counts_stay_right_while_everyone_writes_and_reads(replica: Replica, talk: Talk) -> None:
    """Readers name seqs that they can't have seen yet, which races with the senders' commits."""

    async def send(number: int) -> None:
        await replica.messages.append([Draft(talk.send(talk.one), f"{number}-{place}") for place in range(3)])

    async def read(number: int) -> None:
        seq = EVERYTHING if number % 5 == 0 else number
        await replica.receipts.mark([Mark(talk.id, talk.other.id, seq, None)])

    await asyncio.gather(*(work(number) for number in range(1, 60) for work in (send, read)))
    row = await replica.pool.fetchrow(
        """
        SELECT CASE WHEN c.user_low = $2::uuid THEN c.unread_low ELSE c.unread_high END AS counted,
            (SELECT count(*) FROM messaging.messages m WHERE m.conversation_id = c.id
                AND m.seq > CASE WHEN c.user_low = $2::uuid THEN c.read_low ELSE c.read_high END) AS real
        FROM messaging.conversations c WHERE c.id = $1::uuid
        """,
        talk.id,
        talk.other.id,
    )
    assert row is not None
    assert row["counted"] == row["real"]


async def test_a_late_read_of_all_covers_only_what_the_reader_could_see(
    replica: Replica, pool: Pool, talk: Talk, gateway: Gateway
) -> None:
    await run(replica, gateway, talk.send(talk.one, "seen"))
    await pool.execute(
        "UPDATE messaging.messages SET created_at = created_at - interval '1 hour' WHERE conversation_id = $1", talk.id
    )
    asked_ms = int(time.time() * 1000) - 60_000
    await run(replica, gateway, talk.send(talk.one, "came since"))
    late = relay.MarkRead(talk.other.id, talk.other.connection_id, talk.id, None, asked_ms)
    await run(replica, gateway, late)
    (ack,) = gateway.events(talk.other, "message.read_ack")
    assert (ack["payload"]["seq"], ack["payload"]["unread"]) == (1, {"conversation": 1, "total": 1})


async def test_a_read_of_all_in_time_covers_all(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "one"), talk.send(talk.one, "two"))
    now_ms = int(time.time() * 1000)
    await run(replica, gateway, relay.MarkRead(talk.other.id, talk.other.connection_id, talk.id, None, now_ms))
    (ack,) = gateway.events(talk.other, "message.read_ack")
    assert ack["payload"]["seq"] == 2
