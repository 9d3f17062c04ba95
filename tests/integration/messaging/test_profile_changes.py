"""Changed profiles reach presence, with the conversation partners to tell."""

import asyncio
from typing import Any

import pytest

from services.messaging import profile_changes
from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.profile_changes import ProfileChanges
from services.messaging.stores.people import People
from shared.directory import Directory
from shared.postgres import Pool
from shared.protocol.relay import ProfileChanged
from tests.support.messaging import Gateway, Replica, Talk

pytestmark = pytest.mark.parametrize("partitions", [1], indirect=True)


class Recorded(OutgoingEvents):
    """Keeps what would be published."""

    def __init__(self) -> None:
        self.profiles: list[ProfileChanged] = []

    async def profile(self, change: ProfileChanged) -> None:
        self.profiles.append(change)


async def test_a_change_is_passed_on_once_with_partners(
    replica: Replica, talk: Talk, gateway: Gateway, pool: Pool
) -> None:
    blocked, silent = await replica.talk(), await replica.talk()
    others: list[Any] = [blocked.one, silent.one]
    directory, recorded = Directory(pool), Recorded()
    changes = ProfileChanges(directory, People(pool, directory), recorded)
    await pool.execute("DELETE FROM directory.profile_changes")
    for other in others:
        conversation_id, _ = await replica.conversations.create(talk.one.id, other.id)
        if other is blocked.one:
            await replica.cycle.run([gateway.batch(Talk(conversation_id, talk.one, other).send(talk.one))])
            await replica.blocks.set(other.id, talk.one.id, active=True)
    await replica.cycle.run([gateway.batch(talk.send(talk.one))])
    await directory.update(talk.one.id, display_name="Somebody Else")
    assert await changes.once() == 1
    assert await changes.once() == 0
    assert recorded.profiles == [ProfileChanged(talk.one.id, talk.one.username, "Somebody Else", None, [talk.other.id])]


async def test_what_this_replica_changes_is_passed_on_at_once(
    talk: Talk, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_changes, "SOONEST_SECONDS", 3600)
    monkeypatch.setattr(profile_changes, "LATEST_SECONDS", 3600)
    directory, recorded = Directory(pool), Recorded()
    changes = ProfileChanges(directory, People(pool, directory), recorded)
    running = asyncio.create_task(changes.run())
    try:
        await directory.update(talk.one.id, display_name="At Once")
        changes.tell()
        async with asyncio.timeout(30):
            while "At Once" not in [profile.display_name for profile in recorded.profiles]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
