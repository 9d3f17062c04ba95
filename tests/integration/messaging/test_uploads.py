"""Messages with uploads: each upload goes into one message of its uploader, and both are stored or neither."""

import asyncio
import json
import uuid

import pytest

from services.messaging.stores.messages import Appended, Draft, Messages
from shared.postgres import Pool
from shared.protocol import topology
from shared.protocol.codec import msgpack_encoder
from shared.uploads import UploadSigner, claims
from tests.integration.messaging.conftest import Start
from tests.support.messaging import Gateway, Person, Replica, Talk, eventually, somebody_waits
from tests.support.messaging_process import Broker

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)

SIGNER = UploadSigner("https://chat.example", [b"k" * 32])


@pytest.fixture
def messages(replica: Replica) -> Messages:
    return Messages(replica.pool, SIGNER)


async def new_upload(pool: Pool, talk: Talk, user: Person, state: str = "ready") -> str:
    """An upload of the conversation in a state."""
    upload_id = str(uuid.uuid4())
    media = {"type": "file", "url": f"{upload_id}/file", "size": 3, "name": "a.txt", "uploadId": upload_id}
    await pool.execute(
        "INSERT INTO media.uploads (id, user_id, conversation_id, state, name, mime_type, size, expires_at, media)"
        " VALUES ($1, $2, $3, $4, 'a.txt', 'text/plain', 3, now() + interval '1 hour', $5)",
        *(upload_id, user.id, talk.id, state, json.dumps(media)),
    )
    return upload_id


async def row(pool: Pool, upload_id: str) -> tuple[str, int | None]:
    found = await pool.fetchrow("SELECT state, message_seq FROM media.uploads WHERE id = $1", upload_id)
    assert found is not None
    return found["state"], found["message_seq"]


def draft(talk: Talk, user: Person, key: str, *uploads: str) -> Draft:
    media = json.dumps([{"uploadId": upload_id} for upload_id in uploads], separators=(",", ":")) if uploads else None
    return Draft(talk.send(user, "look", key, media), key)


def verdicts(results: list[Appended]) -> list[str]:
    return [result.verdict for result in results]


async def test_a_message_takes_its_uploads_and_keeps_its_place(
    messages: Messages, replica: Replica, talk: Talk
) -> None:
    pool, alice = replica.pool, talk.one
    one, two = await new_upload(pool, talk, alice), await new_upload(pool, talk, alice)
    sent = [draft(talk, alice, "a"), draft(talk, alice, "b", one, two), draft(talk, alice, "c")]
    results = await messages.append(sent)
    assert [(result.verdict, result.seq) for result in results] == [("new", 1), ("new", 2), ("new", 3)]
    assert await row(pool, one) == await row(pool, two) == ("used", 2)
    [stored] = await messages.at([(talk.other.id, talk.id, 2)])
    media = json.loads(bytes(stored.media))  # type: ignore[arg-type]
    assert [item["uploadId"] for item in media] == [one, two]
    assert media == json.loads(results[1].media or "")
    assert media[0]["url"].startswith(f"https://chat.example/chat/media/{one}/file?expires=")
    assert results[0].media is None


async def test_a_repetition_finds_its_own_uploads_used(messages: Messages, replica: Replica, talk: Talk) -> None:
    alice = talk.one
    upload = await new_upload(replica.pool, talk, alice)
    first = await messages.append([draft(talk, alice, "a", upload)])
    again = await messages.append([draft(talk, alice, "a", upload), draft(talk, alice, "a", upload)])
    assert (verdicts(first), verdicts(again)) == (["new"], ["repeated", "repeated"])
    assert {result.seq for result in again} == {1}
    other = await new_upload(replica.pool, talk, alice)
    assert verdicts(await messages.append([draft(talk, alice, "a", other)])) == ["duplicate_temp_id"]
    assert await row(replica.pool, other) == ("ready", None)


async def test_a_deleted_message_that_is_sent_again_is_a_repetition(
    messages: Messages, replica: Replica, talk: Talk
) -> None:
    """Its uploads are gone, and nothing is sent a second time."""
    alice = talk.one
    upload, other = await new_upload(replica.pool, talk, alice), await new_upload(replica.pool, talk, alice)
    await messages.append([draft(talk, alice, "a", upload)])
    await replica.changes.delete([talk.delete(alice, 1)])
    again = await messages.append([draft(talk, alice, "b", other), draft(talk, alice, "a", upload)])
    assert [(result.verdict, result.seq) for result in again] == [("new", 2), ("repeated", 1)]
    assert verdicts(await messages.append([draft(talk, alice, "c", upload)])) == ["upload_not_found"]
    [stored] = await messages.at([(alice.id, talk.id, 1)])
    assert (stored.deleted_at is not None, bytes(stored.media)) == (True, b"[]")  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["reserved", "processing", "used", "rejected", "released", "deleted"])
async def test_what_is_not_ready_is_refused(messages: Messages, replica: Replica, talk: Talk, state: str) -> None:
    upload = await new_upload(replica.pool, talk, talk.one, "ready")
    await replica.pool.execute(
        "UPDATE media.uploads SET state = $2, message_seq = 9, message_key = 'other' WHERE id = $1", upload, state
    )
    results = await messages.append([draft(talk, talk.one, "a", upload), draft(talk, talk.other, "b")])
    expected = "upload_not_ready" if state in {"reserved", "processing"} else "upload_not_found"
    assert verdicts(results) == [expected, "new"]
    assert results[1].seq == 1


async def test_nobody_takes_another_s_upload_or_one_of_another_conversation(
    messages: Messages, replica: Replica, talk: Talk
) -> None:
    elsewhere = await replica.talk()
    of_alice = await new_upload(replica.pool, talk, talk.one)
    of_another_talk = await new_upload(replica.pool, elsewhere, talk.one)
    unknown = str(uuid.uuid4())
    results = await messages.append(
        [
            draft(talk, talk.other, "a", of_alice),
            draft(talk, talk.one, "b", of_another_talk),
            draft(talk, talk.one, "c", unknown),
            draft(talk, talk.one, "d", of_alice, unknown),
        ]
    )
    assert verdicts(results) == ["upload_not_found"] * 4
    assert await row(replica.pool, of_alice) == ("ready", None)


async def test_of_two_messages_one_has_the_upload(messages: Messages, replica: Replica, talk: Talk) -> None:
    upload = await new_upload(replica.pool, talk, talk.one)
    together = await messages.append([draft(talk, talk.one, "a", upload), draft(talk, talk.one, "b", upload)])
    assert verdicts(together) == ["new", "upload_not_found"]
    upload = await new_upload(replica.pool, talk, talk.one)
    racing = await asyncio.gather(*(messages.append([draft(talk, talk.one, f"r{n}", upload)]) for n in range(8)))
    assert sorted(result.verdict for [result] in racing) == ["new", *["upload_not_found"] * 7]


async def test_a_refused_message_leaves_its_upload_alone(messages: Messages, replica: Replica, talk: Talk) -> None:
    upload = await new_upload(replica.pool, talk, talk.one)
    await replica.blocks.set(talk.other.id, talk.one.id, active=True)
    assert verdicts(await messages.append([draft(talk, talk.one, "a", upload)])) == ["blocked"]
    assert await row(replica.pool, upload) == ("ready", None)


async def test_without_signing_keys_there_are_no_uploads(replica: Replica, talk: Talk) -> None:
    upload = await new_upload(replica.pool, talk, talk.one)
    results = await Messages(replica.pool).append([draft(talk, talk.one, "a", upload), draft(talk, talk.one, "b")])
    assert verdicts(results) == ["upload_not_found", "new"]


async def test_a_deletion_lets_go_of_the_uploads_of_its_message_alone(
    messages: Messages, replica: Replica, talk: Talk
) -> None:
    pool, alice = replica.pool, talk.one
    one, two = await new_upload(pool, talk, alice), await new_upload(pool, talk, alice)
    await messages.append([draft(talk, alice, "a", one), draft(talk, alice, "b", two)])
    async with pool.acquire() as connection, connection.transaction():
        await claims.release(connection, [(talk.id, 1)])
        await claims.release(connection, [(talk.id, 1)])
    assert (await row(pool, one))[0] == "released"
    assert await row(pool, two) == ("used", 2)
    await claims.release_of_user(pool, alice.id)  # type: ignore[arg-type]
    assert (await row(pool, two))[0] == "released"


async def test_a_repetition_and_a_deletion_do_not_wait_for_each_other(
    messages: Messages, replica: Replica, talk: Talk
) -> None:
    """PostgreSQL would end one of them after a second, and with it a whole cycle of other users' commands."""
    pool, alice = replica.pool, talk.one
    upload = await new_upload(pool, talk, alice)
    await messages.append([draft(talk, alice, "a", upload)])
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM messaging.conversations WHERE id = $1::uuid FOR UPDATE", talk.id)
        deleting = asyncio.create_task(replica.changes.delete([talk.delete(alice, 1)]))
        await eventually(lambda: somebody_waits(pool))
        repeating = asyncio.create_task(messages.append([draft(talk, alice, "a", upload)]))
        await eventually(lambda: somebody_waits(pool, 2))
    [deleted], [repeated] = await asyncio.gather(deleting, repeating)
    assert (deleted.verdict, repeated.verdict) == ("deleted", "repeated")


async def test_the_sweep_s_release_and_a_message_never_both_have_an_upload(
    messages: Messages, replica: Replica, talk: Talk
) -> None:
    """The orphan's time is over while a message takes it: whoever is second sees what the first one did."""
    pool = replica.pool
    upload = await new_upload(pool, talk, talk.one)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE media.uploads SET state = 'released' WHERE id = $1", upload)
        sending = asyncio.create_task(messages.append([draft(talk, talk.one, "a", upload)]))
        await eventually(lambda: somebody_waits(pool))
    assert verdicts(await sending) == ["upload_not_found"]


@pytest.mark.parametrize(
    "queue", [topology.MESSAGING_CHANGES, topology.MESSAGING_COMMANDS], ids=lambda queue: queue.name
)
async def test_a_message_with_an_upload_keeps_it_by_whichever_queue_it_comes(
    start: Start, broker: Broker, gateway: Gateway, replica: Replica, talk: Talk, queue: topology.Queue
) -> None:
    """During an upgrade one part of the gateways uses the queue of changes, and another not yet."""
    await start(public_url="https://chat.example", upload_signing_keys="integration-test-upload-key-0123456789")
    upload = await new_upload(replica.pool, talk, talk.one)
    plain, with_upload = talk.send(talk.one, "first", "a"), draft(talk, talk.one, "b", upload).send
    batch = gateway.batch(plain, with_upload)
    await broker.publish(queue, msgpack_encoder.encode(batch))
    await gateway.completed(batch)
    told = [event["payload"]["message"] for event in gateway.events(talk.other, "message.new")]
    assert [(message["seq"], message["content"]) for message in told] == [(1, "first"), (2, "look")]
    [item] = told[1]["media"]
    assert item["url"].startswith(f"https://chat.example/chat/media/{upload}/file?expires=")
    assert await row(replica.pool, upload) == ("used", 2)
