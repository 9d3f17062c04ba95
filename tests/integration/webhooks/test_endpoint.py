"""An endpoint gets the events of the outbox, in order for each conversation, through refusals, crashes and takeovers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from services.webhooks.endpoint import Endpoint
from services.webhooks.event_store import EventStore
from services.webhooks.settings import WebhooksSettings
from shared import postgres
from shared.protocol.webhooks import EventType
from shared.webhooks import Outbox, event
from tests.support.gateway import eventually
from tests.support.webhook_receiver import SECRET, Event, Receiver, receiver


@pytest.fixture(scope="module")
async def pool(database_url: str) -> AsyncIterator[postgres.Pool]:
    opened = await postgres.open_pool(SecretStr(database_url), size=8, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


class Platform:
    """Writes events, and runs replicas that post them to `hook`."""

    def __init__(self, pool: postgres.Pool, database_url: str, hook: Receiver) -> None:
        self.pool = pool
        self.hook = hook
        self._database_url = database_url

    async def write(self, conversation: str, *seqs: int) -> None:
        """Messages were stored."""
        made = [
            event(
                EventType.MESSAGE_CREATED,
                conversation,
                {"conversationId": conversation, "seq": s, "content": str(s)},
                s,
            )
            for s in seqs
        ]
        async with self.pool.acquire() as connection, connection.transaction():
            await Outbox([self.hook.url]).write(connection, made)

    @asynccontextmanager
    async def replica(self, name: str = "one", **settings: object) -> AsyncIterator[Endpoint]:
        """A replica; it dies at the end, as a killed process does: nothing is said to anybody."""
        given = {
            "instance": name,
            "database_url": self._database_url,
            "amqp_url": "amqp://127.0.0.1:1/",
            "redis_urls": "redis://127.0.0.1:1/",
            "jwt_secret": "0" * 32,
            "webhook_urls": self.hook.url,
            "webhook_secret": SECRET,
            **settings,
        }
        endpoint = Endpoint(self.pool, self.hook.url, WebhooksSettings.model_validate(given))
        work = asyncio.create_task(endpoint.run())
        try:
            yield endpoint
        finally:
            work.cancel()
            await asyncio.wait([work])

    async def waiting(self) -> int:
        """Events that are still in the outbox."""
        query = "SELECT count(*) FROM webhooks.events WHERE endpoint = $1 AND dead_at IS NULL"
        return int(await self.pool.fetchval(query, self.hook.url))

    def seqs(self, conversation: str) -> list[int]:
        """What came of a conversation, in order."""
        return [each["data"]["seq"] for each in self.hook.of_type("message.created", conversationId=conversation)]


@pytest.fixture
def platform(pool: postgres.Pool, database_url: str, hook: Receiver) -> Platform:
    return Platform(pool, database_url, hook)


def refusals(times: int, met: Callable[[Event], bool]) -> Callable[[Event], int]:
    """Answers that refuse the first so many events that meet a condition."""
    left = times

    def answer(event: Event) -> int:
        nonlocal left
        if left and met(event):
            left -= 1
            return 500
        return 204

    return answer


async def empty(platform: Platform) -> None:
    await eventually(lambda: _is_empty(platform), seconds=60)


async def _is_empty(platform: Platform) -> bool:
    return await platform.waiting() == 0


@pytest.mark.parametrize("refused", [1, 2, 3])
async def test_after_refusals_each_event_comes_once_and_in_order(platform: Platform, refused: int) -> None:
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    platform.hook.answer = refusals(refused, lambda event: event["data"]["conversationId"] == one)
    async with platform.replica():
        await platform.write(one, 1)
        await platform.hook.expect_refused("message.created", conversationId=one)
        for seq in range(2, 8):
            await platform.write(one, seq)
            await platform.write(other, seq)
        await empty(platform)
    assert platform.seqs(one) == list(range(1, 8))
    assert platform.seqs(other) == list(range(2, 8))
    assert [each["data"]["seq"] for each in platform.hook.refused] == [1] * refused


async def test_many_conversations_refused_here_and_there_stay_in_order(platform: Platform) -> None:
    conversations = [str(uuid.uuid4()) for _ in range(40)]
    turn = 0

    def answer(_event: Event) -> int:
        nonlocal turn
        turn += 1
        return 500 if turn % 7 == 0 else 204

    platform.hook.answer = answer
    async with platform.replica():
        for seq in range(1, 6):
            for conversation in conversations:
                await platform.write(conversation, seq)
        await empty(platform)
    assert [platform.seqs(each) for each in conversations] == [[1, 2, 3, 4, 5]] * len(conversations)


async def _refused(platform: Platform, times: int) -> bool:
    return len(platform.hook.refused) >= times


async def test_an_endpoint_that_is_back_gets_everything(platform: Platform) -> None:
    conversations = [str(uuid.uuid4()) for _ in range(60)]
    down = True
    platform.hook.answer = lambda _event: 503 if down else 204
    async with platform.replica():
        for conversation in conversations:
            await platform.write(conversation, 1, 2)
        await eventually(lambda: _refused(platform, 20), seconds=60)
        down = False
        await empty(platform)
    assert [platform.seqs(each) for each in conversations] == [[1, 2]] * len(conversations)


async def test_a_killed_replica_loses_nothing_and_another_one_keeps_the_order(platform: Platform) -> None:
    conversation = str(uuid.uuid4())
    platform.hook.answer = refusals(1, lambda event: event["data"]["seq"] == 3)
    await platform.write(conversation, *range(1, 21))
    async with platform.replica("one"):
        await platform.hook.expect_refused("message.created", conversationId=conversation)
    async with platform.replica("two"):
        await empty(platform)
    firsts = list(dict.fromkeys(platform.seqs(conversation)))
    assert firsts == list(range(1, 21)), "what was posted twice comes twice, nothing before its turn"


async def test_a_drained_replica_repeats_nothing(platform: Platform) -> None:
    conversations = [str(uuid.uuid4()) for _ in range(100)]
    for conversation in conversations:
        await platform.write(conversation, 1, 2, 3)
    async with platform.replica("one") as endpoint:
        await platform.hook.expect("message.created", conversationId=conversations[0])
        await endpoint.drain()
        await endpoint.release()
    async with platform.replica("two"):
        await empty(platform)
    assert [platform.seqs(each) for each in conversations] == [[1, 2, 3]] * len(conversations)


async def test_one_replica_posts_at_a_time(platform: Platform) -> None:
    conversation = str(uuid.uuid4())
    async with platform.replica("one"):
        await platform.write(conversation, 1)
        await platform.hook.expect("message.created", conversationId=conversation)
        async with platform.replica("two"):
            for seq in range(2, 30):
                await platform.write(conversation, seq)
            await empty(platform)
    assert platform.seqs(conversation) == list(range(1, 30))


async def test_an_event_refused_for_too_long_is_dead_lettered_alone(platform: Platform, pool: postgres.Pool) -> None:
    conversation = str(uuid.uuid4())
    platform.hook.answer = lambda event: 500 if event["data"]["seq"] == 1 else 204
    async with platform.replica(webhook_retry_seconds=0.5):
        await platform.write(conversation, 1, 2)
        await platform.hook.expect("message.created", conversationId=conversation, seq=2)
    query = "SELECT (data->>'seq')::int FROM webhooks.events WHERE endpoint = $1 AND dead_at IS NOT NULL"
    assert await pool.fetchval(query, platform.hook.url) == 1
    assert platform.seqs(conversation) == [2]


async def test_deleted_content_leaves_what_waits(platform: Platform, pool: postgres.Pool) -> None:
    conversation, refusing = str(uuid.uuid4()), True
    platform.hook.answer = lambda _event: 500 if refusing else 204
    async with platform.replica():
        await platform.write(conversation, 1)
        await platform.hook.expect_refused("message.created", conversationId=conversation)
        async with pool.acquire() as connection, connection.transaction():
            await Outbox([platform.hook.url]).scrub(connection, [(conversation, 1)])
        refusing = False
        told = await platform.hook.expect("message.created", conversationId=conversation)
    assert told["data"]["content"] is None


async def test_the_oldest_events_beyond_the_bound_are_dropped(platform: Platform, pool: postgres.Pool) -> None:
    conversation = str(uuid.uuid4())
    await platform.write(conversation, *range(1, 8))
    store = EventStore(pool, platform.hook.url)
    assert await store.trim(3, dead=False) == 4
    assert await store.trim(3, dead=False) == 0
    assert await store.trim(3, dead=True) == 0
    async with platform.replica():
        await empty(platform)
    assert platform.seqs(conversation) == [5, 6, 7]
