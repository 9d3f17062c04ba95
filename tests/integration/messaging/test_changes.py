"""Edits, deletions, reactions, replies and metadata: what is stored, who hears of it, and what is refused (docs/protocol.md)."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from services.messaging.fanout.fanout import OutdatedError
from services.messaging.server_api.sends import Sends
from services.messaging.stores.system_messages import SystemMessages
from shared.postgres import Pool
from shared.protocol import keys, relay
from shared.protocol.relay import Command
from shared.redis import Partitions
from tests.support.messaging import Gateway, Person, Replica, Stall, Talk, eventually


async def run(replica: Replica, gateway: Gateway, *commands: Command, again: bool = False) -> None:
    """One cycle with one batch, until its completion came down."""
    batch = gateway.batch(*commands, again=again)
    await replica.cycle.run([batch])
    await gateway.completed(batch)


async def shown(replica: Replica, talk: Talk, seq: int, viewer: Person | None = None) -> dict[str, Any]:
    """The message as the history has it."""
    (message,) = await replica.messages.at([((viewer or talk.one).id, talk.id, seq)])
    return dict(json.loads(msgspec.json.encode(message)))


async def error(replica: Replica, gateway: Gateway, person: Person, command: Command) -> str:
    """The code of the error that a command is answered with."""
    gateway.forget()
    await run(replica, gateway, command)
    (answer,) = gateway.answers(person)
    return str(answer["error"]["code"])


async def inbox_texts(partitions: Partitions, person: Person) -> bytes:
    partition = partitions.of(person.id)
    entries: Any = await partition.client.xrange(partition.key(keys.INBOX, person.id))
    return b"\n".join(fields[b"e"] for _, fields in entries)


async def test_an_edit_reaches_both_sides(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "helo"))
    gateway.forget()
    await run(replica, gateway, talk.edit(talk.one, 1, "hello", "e1"))
    (own,), (other,) = gateway.events(talk.one), gateway.events(talk.other)
    assert own["type"] == other["type"] == "message.updated"
    assert own["payload"]["tempId"] == "e1"
    assert own["payload"] == {**other["payload"], "tempId": "e1"}
    assert other["payload"]["content"] == "hello"
    history = await shown(replica, talk, 1)
    assert (history["content"], history["editedAt"]) == ("hello", other["payload"]["editedAt"])
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}


async def test_the_previous_texts_are_kept(replica: Replica, pool: Pool, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "one"))
    for text in ("two", "three"):
        await run(replica, gateway, talk.edit(talk.one, 1, text))
    rows = await pool.fetch(
        "SELECT content FROM messaging.revisions WHERE conversation_id = $1 ORDER BY replaced_at", talk.id
    )
    assert [row["content"] for row in rows] == ["one", "two"]


async def test_a_late_retry_of_an_edit_changes_nothing(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "one"))
    await run(replica, gateway, talk.edit(talk.one, 1, "two", "e1"))
    await run(replica, gateway, talk.edit(talk.one, 1, "three", "e2"))
    edited_at = (await shown(replica, talk, 1))["editedAt"]
    gateway.forget()
    await run(replica, gateway, talk.edit(talk.one, 1, "two", "e1"))
    (answer,) = gateway.events(talk.one)
    assert answer["payload"] == {
        "conversationId": talk.id,
        "seq": 1,
        "content": "three",
        "editedAt": edited_at,
        "tempId": "e1",
    }
    assert gateway.events(talk.other) == []


async def test_an_edit_that_changed_nothing_is_remembered(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "same"))
    await run(replica, gateway, talk.edit(talk.one, 1, "same", "e1"))
    assert "editedAt" not in await shown(replica, talk, 1)
    await run(replica, gateway, talk.edit(talk.one, 1, "other", "e2"))
    await run(replica, gateway, talk.edit(talk.one, 1, "same", "e1"))
    assert (await shown(replica, talk, 1))["content"] == "other"


@pytest.mark.parametrize("content", ["", " \u200b"])
async def test_a_caption_can_be_taken_away_and_a_text_cannot(
    replica: Replica, talk: Talk, gateway: Gateway, content: str
) -> None:
    media = '[{"url":"https://cdn.example/1.jpg","type":"image"}]'
    await run(replica, gateway, talk.send(talk.one, "text"), talk.send(talk.one, "caption", media=media))
    await run(replica, gateway, talk.edit(talk.one, 2, content))
    assert (await shown(replica, talk, 2))["content"] == content
    assert await error(replica, gateway, talk.one, talk.edit(talk.one, 1, content)) == "validation_error"


async def test_a_message_cannot_grow_beyond_its_limit(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    media = json.dumps([{"url": "https://cdn.example/" + "x" * 2000, "type": "image"}] * 10)
    await run(replica, gateway, talk.send(talk.one, "caption", media=media))
    await run(replica, gateway, talk.edit(talk.one, 1, "a" * 4000))
    assert await error(replica, gateway, talk.one, talk.edit(talk.one, 1, "\U0001f600" * 4000)) == "validation_error"


async def test_refused_edits(replica: Replica, pool: Pool, talk: Talk, gateway: Gateway) -> None:
    stranger = (await replica.talk()).one
    await gateway.plug(stranger)
    await run(replica, gateway, talk.send(talk.one, "text"))
    assert await error(replica, gateway, stranger, talk.edit(stranger, 1, "x")) == "conversation_not_found"
    assert await error(replica, gateway, talk.one, talk.edit(talk.one, 2, "x")) == "message_not_found"
    assert await error(replica, gateway, talk.other, talk.edit(talk.other, 1, "x")) == "not_allowed"
    await pool.execute(
        "UPDATE messaging.messages SET created_at = created_at - $2::interval WHERE conversation_id = $1",
        talk.id,
        timedelta(days=2),
    )
    assert await error(replica, gateway, talk.one, talk.edit(talk.one, 1, "x")) == "not_allowed"
    endless = Replica(pool, replica.partitions, edit_window_seconds=0)
    await run(endless, gateway, talk.edit(talk.one, 1, "y"))
    assert (await shown(replica, talk, 1))["content"] == "y"
    assert await error(replica, gateway, talk.other, talk.delete(talk.other, 1)) == "not_allowed"
    await run(replica, gateway, talk.delete(talk.one, 1))
    assert await error(replica, gateway, talk.one, talk.edit(talk.one, 1, "x")) == "message_not_found"
    assert await error(replica, gateway, talk.other, talk.react(talk.other, 1)) == "message_not_found"
    assert await error(replica, gateway, talk.other, talk.delete(talk.other, 1)) == "not_allowed"


async def test_a_deletion_leaves_the_place_alone(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "secret", metadata='{"a":1}'), talk.send(talk.one, "second"))
    await run(replica, gateway, talk.react(talk.other, 1), talk.edit(talk.one, 1, "hidden"))
    before = await shown(replica, talk, 1)
    gateway.forget()
    await run(replica, gateway, talk.delete(talk.one, 1, "d1"))
    (own,), (other,) = gateway.events(talk.one), gateway.events(talk.other)
    assert own["payload"]["tempId"] == "d1"
    assert "unread" not in own["payload"]
    assert other["payload"]["unread"] == {"conversation": 1, "total": 1}
    after = await shown(replica, talk, 1)
    gone = {"content", "media", "metadata", "reactions", "editedAt", "deletedAt"}
    assert {k: v for k, v in after.items() if k not in gone} == {k: v for k, v in before.items() if k not in gone}
    assert (after["content"], after["media"], after["deletedAt"]) == (None, [], own["payload"]["deletedAt"])
    assert not {"metadata", "reactions", "editedAt"} & set(after)


async def test_a_repeated_deletion_keeps_its_time(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "secret"))
    await run(replica, gateway, talk.delete(talk.one, 1, "d1"))
    (first,) = gateway.events(talk.one, "message.deleted")
    gateway.forget()
    await run(replica, gateway, talk.delete(talk.one, 1, "d2"))
    (again,) = gateway.events(talk.one)
    assert again["payload"] == {**first["payload"], "tempId": "d2"}
    assert gateway.events(talk.other) == []


async def test_unread_counts_fall_with_an_unread_message(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, *(talk.send(talk.one, str(n)) for n in range(4)))
    await run(replica, gateway, talk.read(talk.other, 2))
    gateway.forget()
    await run(replica, gateway, talk.delete(talk.one, 1), talk.delete(talk.one, 3))
    read, unread = gateway.events(talk.other)
    assert "unread" not in read["payload"]
    assert unread["payload"]["unread"] == {"conversation": 1, "total": 1}
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}
    assert await replica.counts.compare(talk.other.id) == []
    await run(replica, gateway, talk.read(talk.other, 3))
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}
    await run(replica, gateway, talk.read(talk.other))
    assert await replica.counts.of(talk.other.id) == {}
    assert await replica.counts.compare(talk.other.id) == []


async def test_a_deleted_text_is_nowhere(
    replica: Replica, pool: Pool, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    await run(replica, gateway, talk.send(talk.one, "zebra-one", "t1", metadata='{"k":"zebra-meta"}'))
    await run(replica, gateway, talk.edit(talk.one, 1, "zebra-two"))
    await run(replica, gateway, talk.send(talk.other, "a reply", "t2", reply_to=1), talk.react(talk.other, 1))
    await run(replica, gateway, talk.edit(talk.one, 1, "zebra-three"))
    await run(replica, gateway, talk.delete(talk.one, 1))
    for table in ("messages", "revisions", "reactions", "conversations", "receipts"):
        rows = await pool.fetch(f"SELECT t::text AS row FROM messaging.{table} t WHERE t::text LIKE '%zebra%'")
        assert rows == [], table
    for index in range(len(partitions)):
        client = partitions.at(index).client
        async for key in client.scan_iter(count=1000):
            assert b"zebra" not in (await client.dump(key) or b""), key
    replay = [
        json.loads(text + b"}") if not text.endswith(b'"total":') else json.loads(text + b"0}}}")
        for text in (await inbox_texts(partitions, talk.other)).split(b"\n")
    ]
    shows = [(event["type"], event["payload"]) for event in replay]
    kinds = [kind for kind, _ in shows]
    assert kinds == ["message.new", "message.deleted", "message.sent", *["message.deleted"] * 3]
    assert shows[0][1]["message"]["deletedAt"] == shows[1][1]["deletedAt"]
    assert shows[2][1]["message"]["replyTo"] == {"seq": 1, "deletedAt": shows[1][1]["deletedAt"]}
    assert (await shown(replica, talk, 2))["replyTo"] == {"seq": 1, "deletedAt": shows[1][1]["deletedAt"]}


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_a_replica_that_announces_late_shows_what_stands(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway, change: str
) -> None:
    """It has stored a message; before it announces that, another replica has changed the message and announced so."""
    await run(replica, gateway, talk.send(talk.one, "first", "t0"))
    late, send = replica.fanout.effects(), talk.send(talk.one, "zebra", "t1")
    await replica.handlers.send([(gateway.batch(), 0, send)], late)
    command = talk.edit(talk.one, 2, "horse") if change == "edit" else talk.delete(talk.one, 2)
    await run(replica, gateway, command)
    with pytest.raises(OutdatedError):
        await replica.fanout.deliver(late)
    assert b"zebra" not in await inbox_texts(partitions, talk.other)
    # As the cycle does then: all is read again, and the command is a repetition.
    await run(replica, gateway, send, again=True)
    for person in (talk.one, talk.other):
        texts = await inbox_texts(partitions, person)
        assert b"zebra" not in texts
        shown_by = [text for text in texts.split(b"\n") if b'"seq":2' in text and b'"message":{' in text]
        assert shown_by
        assert all((b"horse" if change == "edit" else b'"deletedAt"') in text for text in shown_by)
    assert await replica.counts.compare(talk.other.id) == []


async def test_a_platform_s_reply_is_announced_although_what_it_quotes_is_deleted_meanwhile(
    replica: Replica, pool: Pool, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    await run(replica, gateway, talk.send(talk.one, "zebra"))
    stores = replica.conversations, replica.messages, SystemMessages(pool)
    sends, stall = Sends(*stores, replica.handlers, replica.fanout, replica.cycle), Stall(replica)
    sending = asyncio.create_task(sends.send(talk.send(talk.other, "yes", "t", reply_to=1), again=False))
    await eventually(lambda: has_stored(replica, talk, 2))
    await run(Replica(pool, partitions), gateway, talk.delete(talk.one, 1))
    stall.release()
    assert (await sending).created
    await gateway.until(lambda: len(gateway.events(talk.one, "message.new")) == 1)
    quoted = gateway.events(talk.one, "message.new")[0]["payload"]["message"]["replyTo"]
    assert quoted.keys() == {"seq", "deletedAt"}


async def has_stored(replica: Replica, talk: Talk, seq: int) -> bool:
    return await replica.last_seq(talk) == seq


async def test_a_change_that_only_redis_knows_holds_nobody_up(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    """As after a failover to a standby that lagged behind."""
    partition = partitions.of(talk.other.id)
    versions = partition.key(keys.MESSAGE_VERSIONS, talk.other.id)
    await partition.client.hset(versions, f"{talk.id}:1", "1000")
    await run(replica, gateway, talk.send(talk.one, "one"))
    assert gateway.messages(talk.other) == [(1, "one")]


async def test_who_changes_messages_all_the_time_fills_no_memory(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    """Each change renews the record of the changes that a user was shown, so it never expires."""
    await run(replica, gateway, talk.send(talk.one, "one"))
    shown = [(partitions.of(name), name) for name in (talk.one.id, talk.other.id, talk.id)]
    hashes = [(partition.client, partition.key(keys.MESSAGE_VERSIONS, name)) for partition, name in shown]
    for client, name in hashes:
        await client.hset(name, mapping={f"{talk.id}:{seq}": seq for seq in range(2, keys.MOST_VERSIONS + 2)})
    await run(replica, gateway, talk.edit(talk.one, 1, "changed"))
    assert [await client.hlen(name) for client, name in hashes] == [1, 1, 1]
    assert gateway.events(talk.other, "message.updated")


async def test_the_last_message_follows(replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway) -> None:
    partition = partitions.of(talk.id)
    last = partition.key(keys.LAST_MESSAGE, talk.id)
    await run(replica, gateway, talk.send(talk.one, "one"), talk.send(talk.one, "two"))
    await run(replica, gateway, talk.edit(talk.one, 1, "not last"))
    assert await partition.client.hget(last, "content") == b"two"
    await run(replica, gateway, talk.edit(talk.one, 2, "last"))
    assert await partition.client.hget(last, "content") == b"last"
    await run(replica, gateway, talk.delete(talk.one, 2))
    assert await partition.client.hget(last, "content") == b""


async def test_a_waiting_push_follows(
    replica: Replica, pool: Pool, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    await run(replica, gateway, talk.send(talk.one, "one"))
    message_id = await pool.fetchval("SELECT id::text FROM messaging.messages WHERE conversation_id = $1", talk.id)
    partition = partitions.of(talk.other.id)
    key, preview = partition.key(keys.CHANGED, message_id), partition.key(keys.PREVIEW, message_id)
    await partition.client.set(preview, "one")
    await run(replica, gateway, talk.edit(talk.one, 1, "two"))
    assert await partition.client.get(preview) is None
    assert await partition.client.get(key) == keys.CHANGED_TEXT.encode() + b"two"
    await run(replica, gateway, talk.delete(talk.one, 1))
    assert await partition.client.get(key) == keys.CHANGED_DELETED.encode()


async def test_a_repeated_send_returns_the_message_as_it_stands(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "one", "t1"), talk.send(talk.one, "gone", "t2"))
    await run(replica, gateway, talk.edit(talk.one, 1, "two"), talk.delete(talk.one, 2))
    gateway.forget()
    await run(replica, gateway, talk.send(talk.one, "one", "t1"), talk.send(talk.one, "gone", "t2"))
    edited, deleted = (event["payload"]["message"] for event in gateway.events(talk.one))
    assert (edited["content"], "editedAt" in edited) == ("two", True)
    assert (deleted["content"], "deletedAt" in deleted) == (None, True)
    assert await error(replica, gateway, talk.one, talk.send(talk.one, "two", "t1")) == "duplicate_temp_id"
    assert await error(replica, gateway, talk.one, talk.send(talk.one, "other", "t2")) == "duplicate_temp_id"


async def test_reactions_stand_in_the_order_in_which_they_came(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "text"))
    gateway.forget()
    for person, emoji in ((talk.other, "👍"), (talk.one, "❤️"), (talk.one, "👍")):
        await run(replica, gateway, talk.react(person, 1, emoji))
    event = gateway.events(talk.one)[0]
    at = event["payload"].pop("at")
    assert event["payload"] == {
        "conversationId": talk.id,
        "seq": 1,
        "userId": talk.other.id,
        "emoji": "👍",
        "active": True,
    }
    assert (await shown(replica, talk, 1))["reactions"] == [
        {"emoji": "👍", "userIds": [talk.other.id, talk.one.id]},
        {"emoji": "❤️", "userIds": [talk.one.id]},
    ]
    gateway.forget()
    await run(replica, gateway, talk.react(talk.other, 1, "👍"))
    (repeated,) = gateway.events(talk.other)
    assert repeated["payload"]["at"] == at
    assert gateway.events(talk.one) == []
    for person, emoji in ((talk.other, "👍"), (talk.one, "❤️"), (talk.one, "👍")):
        await run(replica, gateway, talk.react(person, 1, emoji, active=False))
    assert "reactions" not in await shown(replica, talk, 1)
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}


async def test_a_user_has_at_most_eight_reactions_on_a_message(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "text"))
    emoji = ["👍", "👎", "😀", "😁", "😂", "😃", "😄", "😅", "😆"]
    await run(replica, gateway, *(talk.react(talk.other, 1, one) for one in emoji[:8]))
    assert await error(replica, gateway, talk.other, talk.react(talk.other, 1, emoji[8])) == "validation_error"
    await run(replica, gateway, talk.react(talk.one, 1, emoji[8]))
    await run(replica, gateway, talk.react(talk.other, 1, emoji[0], active=False), talk.react(talk.other, 1, emoji[8]))
    assert len((await shown(replica, talk, 1))["reactions"]) == 8


async def test_a_late_reaction_does_not_undo_a_newer_one(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "text"))
    await run(replica, gateway, talk.react(talk.other, 1, at_ms=2000))
    await run(replica, gateway, talk.react(talk.other, 1, active=False, at_ms=3000))
    await run(replica, gateway, talk.react(talk.other, 1, at_ms=2000), again=True)
    assert "reactions" not in await shown(replica, talk, 1)


async def test_a_reply_quotes_the_text_of_its_time(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "x" * 150))
    await run(replica, gateway, talk.send(talk.other, "re", reply_to=1))
    await run(replica, gateway, talk.edit(talk.one, 1, "new"))
    await run(replica, gateway, talk.send(talk.other, "re", reply_to=1))
    await run(replica, gateway, talk.edit(talk.one, 1, "newer"))
    quotes = [(await shown(replica, talk, seq))["replyTo"] for seq in (2, 3)]
    assert quotes == [
        {"seq": 1, "senderId": talk.one.id, "type": "text", "content": content} for content in ("x" * 100, "new")
    ]
    sent = [event["payload"]["message"] for event in gateway.events(talk.other, "message.sent")]
    new = [event["payload"]["message"] for event in gateway.events(talk.one, "message.new")]
    assert [message["replyTo"] for message in sent] == [message["replyTo"] for message in new] == quotes
    assert await error(replica, gateway, talk.one, talk.send(talk.one, "re", reply_to=9)) == "message_not_found"
    await run(replica, gateway, talk.delete(talk.one, 1))
    assert await error(replica, gateway, talk.one, talk.send(talk.one, "re", reply_to=1)) == "message_not_found"


async def test_metadata_comes_back(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, None, "t1", kind="custom", metadata='{"place":{"lat":1.5}}'))
    (sent,), (new,) = gateway.events(talk.one), gateway.events(talk.other)
    for message in (sent["payload"]["message"], new["payload"]["message"], await shown(replica, talk, 1)):
        assert (message["type"], message["metadata"]) == ("custom", {"place": {"lat": 1.5}})
        assert not {"replyTo", "editedAt", "deletedAt", "reactions"} & set(message)
    other = talk.send(talk.one, None, "t1", kind="custom", metadata="{}")
    assert await error(replica, gateway, talk.one, other) == "duplicate_temp_id"


async def test_a_block_stops_changes_and_hides_a_deletion(
    replica: Replica, partitions: Partitions, talk: Talk, gateway: Gateway
) -> None:
    await run(replica, gateway, talk.send(talk.one, "one"), talk.send(talk.one, "two"))
    await run(replica, gateway, relay.SetBlock(talk.other.id, talk.other.connection_id, talk.one.username, True))
    assert await error(replica, gateway, talk.one, talk.edit(talk.one, 1, "x")) == "blocked"
    assert await error(replica, gateway, talk.other, talk.react(talk.other, 1)) == "blocked"
    gateway.forget()
    await run(replica, gateway, talk.delete(talk.one, 1))
    assert [event["type"] for event in gateway.events(talk.one)] == ["message.deleted"]
    assert gateway.events(talk.other) == []
    assert b'"one"' not in await inbox_texts(partitions, talk.other)
    assert "deletedAt" in await shown(replica, talk, 1, talk.other)
    assert await replica.counts.of(talk.other.id) == {talk.id: 1}
    assert await replica.counts.compare(talk.other.id) == []


async def test_a_redelivered_change_is_announced_to_both(replica: Replica, talk: Talk, gateway: Gateway) -> None:
    await run(replica, gateway, talk.send(talk.one, "one"), talk.send(talk.one, "two"))
    commands = talk.edit(talk.one, 1, "new", "e1"), talk.react(talk.other, 1), talk.delete(talk.one, 2)
    await run(replica, gateway, *commands)
    gateway.forget()
    await run(replica, gateway, *commands, again=True)
    for person in (talk.one, talk.other):
        kinds = sorted(event["type"] for event in gateway.events(person))
        assert kinds == ["message.deleted", "message.updated", "reaction.updated"]
    assert await replica.counts.compare(talk.other.id) == []
