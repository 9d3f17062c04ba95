"""Who gets a push: two devices in every state, and every reason against a push."""

import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from pydantic import SecretStr

from services.notifier.decision import Receivers, Verdict, decide
from services.notifier.delivery.outcome import Outcome
from services.notifier.delivery.recheck import Recheck
from services.notifier.devices import Devices
from services.notifier.push_jobs import PushJob
from services.notifier.push_settings import PushSettings, PushSettingsStore
from services.notifier.quiet_hours import QuietHours
from services.notifier.subscriptions import Subscription, Subscriptions, new_id
from services.notifier.targets import Targets
from services.notifier.tasks import TaskSet
from shared import postgres
from shared.protocol import keys, relay
from shared.redis import Partitions, open_partitions
from tests.integration.notifier.conftest import undelivered

GATEWAY = "gateway-of-the-table"
HOUR = timedelta(hours=1)


class Device(StrEnum):
    """What a device of the receiver does."""

    ACTIVE = "active"
    """Connected, and it shows signs of life; it said `active: true` or nothing."""
    INACTIVE = "inactive"
    """Connected, and it last said `active: false`."""
    FROZEN = "frozen"
    """Connected, but it has shown no sign of life since the message was written to it."""
    GONE = "gone"


class World:
    """The stores, as they look when one message is due."""

    def __init__(self, partitions: Partitions, pool: postgres.Pool) -> None:
        self.partitions = partitions
        self.redis = partitions.at(0).client
        self.settings = PushSettingsStore(pool)
        self.receivers = Receivers(partitions, self.settings)
        self.subscriptions = Subscriptions(pool)
        self.registered: list[Subscription] = []
        targets = Targets(self.subscriptions, Devices(pool), [])
        self._recheck = Recheck(TaskSet(), self.receivers, targets, ttl_seconds=60)
        self.message = undelivered(str(uuid.uuid4()), seq=7)

    @property
    def user_id(self) -> str:
        return self.message.receiver_id

    async def has(self, *devices: Device) -> None:
        """Connections in these states, and of each device a browser that takes pushes."""
        for device in devices:
            await self.register()
            if device is Device.GONE:
                continue
            connection = str(uuid.uuid4())
            await self.redis.hset(keys.key(keys.ROUTES, self.user_id), connection, GATEWAY)
            if device is Device.FROZEN:
                self.message.silent_connections.append(connection)
            if device is Device.INACTIVE:
                await self.redis.sadd(keys.key(keys.INACTIVE, self.user_id), connection)

    async def register(self) -> Subscription:
        now = datetime.now(UTC)
        browser = Subscription(
            new_id(), self.user_id, f"https://push.example/{uuid.uuid4()}", bytes(65), bytes(16), "key", now, now
        )
        await self.subscriptions.put(browser)
        self.registered.append(browser)
        return browser

    async def verdict(self) -> Verdict:
        """What is found when the message is due."""
        found = await self.receivers.of(self.partitions.index_of(self.user_id), [self.message])
        assert found is not None
        return decide(self.message, found[0], now=datetime.now(UTC), ttl_seconds=60)

    async def verdicts(self) -> list[Verdict]:
        """What is found for each device right before its request."""
        return [await self._verdict_of(browser) for browser in self.registered]

    async def _verdict_of(self, browser: Subscription) -> Verdict:
        decided = await self._recheck.check(PushJob(self.message, browser))
        return Verdict(decided.detail) if isinstance(decided, Outcome) else Verdict.PUSH


async def nothing(_world: World) -> None:
    """Nothing speaks against a push."""


async def muted(world: World) -> None:
    await world.settings.change(world.user_id, lambda _: PushSettings(muted_until=datetime.now(UTC) + HOUR))


async def was_muted(world: World) -> None:
    await world.settings.change(world.user_id, lambda _: PushSettings(muted_until=datetime.now(UTC) - HOUR))


async def conversation_muted(world: World) -> None:
    until_ms = round(time.time() * 1000) + 60_000
    await world.settings.mute(relay.ConversationMuted(world.user_id, world.message.conversation_id, until_ms, 1))


async def other_conversation_muted(world: World) -> None:
    until_ms = round(time.time() * 1000) + 60_000
    await world.settings.mute(relay.ConversationMuted(world.user_id, str(uuid.uuid4()), until_ms, 1))


async def conversation_unmuted(world: World) -> None:
    await conversation_muted(world)
    await world.settings.mute(relay.ConversationMuted(world.user_id, world.message.conversation_id, None, 3))
    # An event of before that comes late changes nothing.
    late = relay.ConversationMuted(world.user_id, world.message.conversation_id, round(time.time() * 1000) + 60_000, 2)
    await world.settings.mute(late)


async def quiet(world: World) -> None:
    now = datetime.now(UTC)
    minute = now.hour * 60 + now.minute
    span = QuietHours("UTC", (minute - 60) % 1440, (minute + 60) % 1440)
    await world.settings.change(world.user_id, lambda _: PushSettings(quiet_hours=span))


async def not_quiet(world: World) -> None:
    now = datetime.now(UTC)
    minute = now.hour * 60 + now.minute
    span = QuietHours("UTC", (minute + 60) % 1440, (minute + 120) % 1440)
    await world.settings.change(world.user_id, lambda _: PushSettings(quiet_hours=span))


async def blocked(world: World) -> None:
    await world.redis.sadd(keys.key(keys.BLOCKED, world.user_id), world.message.sender_id)


async def read(world: World) -> None:
    await world.redis.hset(keys.key(keys.PROGRESS, world.user_id), world.message.conversation_id, "7")


async def read_before(world: World) -> None:
    await world.redis.hset(keys.key(keys.PROGRESS, world.user_id), world.message.conversation_id, "6")


async def deleted(world: World) -> None:
    await world.redis.set(keys.key(keys.CHANGED, world.message.message_id), keys.CHANGED_DELETED, ex=60)


async def edited(world: World) -> None:
    await world.redis.set(keys.key(keys.CHANGED, world.message.message_id), keys.CHANGED_TEXT + "new", ex=60)


async def unsubscribed(world: World) -> None:
    await world.subscriptions.delete(world.user_id, None)


async def revoked(world: World) -> None:
    await world.redis.set(keys.key(keys.REVOKED, world.user_id), f"{time.time() + 1:.3f}")


async def revoked_before(world: World) -> None:
    await world.redis.set(keys.key(keys.REVOKED, world.user_id), f"{time.time() - 60:.3f}")


CIRCUMSTANCES: list[tuple[Callable[[World], Awaitable[None]], Verdict]] = [
    (nothing, Verdict.PUSH),
    (edited, Verdict.PUSH),
    (read_before, Verdict.PUSH),
    (was_muted, Verdict.PUSH),
    (other_conversation_muted, Verdict.PUSH),
    (conversation_unmuted, Verdict.PUSH),
    (not_quiet, Verdict.PUSH),
    (revoked_before, Verdict.PUSH),
    (muted, Verdict.MUTED),
    (conversation_muted, Verdict.CONVERSATION_MUTED),
    (quiet, Verdict.QUIET_HOURS),
    (blocked, Verdict.BLOCKED),
    (read, Verdict.DELIVERED),
    (deleted, Verdict.DELETED),
    (unsubscribed, Verdict.UNSUBSCRIBED),
    (revoked, Verdict.UNSUBSCRIBED),
]
STRONGER_THAN_A_DEVICE = {Verdict.BLOCKED, Verdict.DELIVERED, Verdict.DELETED}
"""Verdicts that are given whether a device is reachable or not."""


@pytest.fixture
async def stores(database_url: str, redis_url: str) -> AsyncIterator[tuple[Partitions, postgres.Pool]]:
    """Redis with a living gateway, and PostgreSQL."""
    partitions = open_partitions(redis_url)
    pool = await postgres.open_pool(SecretStr(database_url), size=2, application_name="test")
    await partitions.at(0).client.set(keys.key(keys.GATEWAY, GATEWAY), "1", ex=600)
    yield partitions, pool
    await partitions.aclose()
    await pool.close()


@pytest.mark.parametrize(("circumstance", "verdict"), CIRCUMSTANCES, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize(("phone", "laptop"), list(itertools.combinations_with_replacement(Device, 2)))
async def test_each_state_of_two_devices_has_its_verdict(
    stores: tuple[Partitions, postgres.Pool],
    phone: Device,
    laptop: Device,
    circumstance: Callable[[World], Awaitable[None]],
    verdict: Verdict,
) -> None:
    world = World(*stores)
    await world.has(phone, laptop)
    await circumstance(world)
    somebody_looks = Device.ACTIVE in (phone, laptop)
    expected = Verdict.REACHABLE if somebody_looks and verdict not in STRONGER_THAN_A_DEVICE else verdict
    assert await world.verdicts() == [expected, expected]
    # That a device isn't registered any more is found last; the rest also when the message is due.
    assert await world.verdict() is (Verdict.PUSH if expected is Verdict.UNSUBSCRIBED else expected)


async def test_of_two_devices_the_one_that_unsubscribed_gets_no_push(
    stores: tuple[Partitions, postgres.Pool],
) -> None:
    world = World(*stores)
    await world.has(Device.GONE, Device.GONE)
    await world.subscriptions.delete(world.user_id, world.registered[0].endpoint)
    assert await world.verdicts() == [Verdict.UNSUBSCRIBED, Verdict.PUSH]


async def test_of_two_devices_the_one_registered_after_a_revocation_gets_a_push(
    stores: tuple[Partitions, postgres.Pool],
) -> None:
    world = World(*stores)
    await world.has(Device.GONE)
    await world.redis.set(keys.key(keys.REVOKED, world.user_id), f"{time.time():.3f}")
    await world.register()
    assert await world.verdicts() == [Verdict.UNSUBSCRIBED, Verdict.PUSH]


async def test_an_edited_text_and_the_counts_come_with_the_decision(stores: tuple[Partitions, postgres.Pool]) -> None:
    world = World(*stores)
    await edited(world)
    await world.redis.set(keys.key(keys.UNREAD_CONVERSATION, world.user_id, world.message.conversation_id), 3)
    await world.redis.set(keys.key(keys.UNREAD_TOTAL, world.user_id), 12)
    found = await world.receivers.of(world.partitions.index_of(world.user_id), [world.message])
    assert found is not None
    assert found[0].message_text == "new"
    assert (found[0].unread.conversation, found[0].unread.total) == (3, 12)


async def test_counts_that_redis_lost_say_at_least_this_message(stores: tuple[Partitions, postgres.Pool]) -> None:
    world = World(*stores)
    found = await world.receivers.of(world.partitions.index_of(world.user_id), [world.message])
    assert found is not None
    assert (found[0].unread.conversation, found[0].unread.total) == (1, 1)
