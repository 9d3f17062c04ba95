"""Users spread over two Redis servers."""

from collections.abc import AsyncIterator

import pytest

from shared.protocol import keys
from shared.redis import Shards
from tests.support.backends import with_path
from tests.support.gateway import Backend, RunningGateway, StartGateway, connection_id, identity, until


@pytest.fixture
def urls(redis_url: str) -> list[str]:
    return [with_path(redis_url, "0"), with_path(redis_url, "1")]


@pytest.fixture
async def shards(urls: list[str]) -> AsyncIterator[Shards]:
    opened = Shards(urls)
    yield opened
    await opened.aclose()


@pytest.fixture
async def gateway(start_gateway: StartGateway, urls: list[str]) -> RunningGateway:
    return await start_gateway(redis_urls=urls, messages_per_minute=60)


def one_user_each(shards: Shards, prefix: str) -> list[str]:
    """Usernames, the first on server 0, the second on server 1."""
    names = [f"{prefix}-{number}" for number in range(100)]
    return [next(name for name in names if shards.index_of(identity(name)) == index) for index in range(2)]


async def test_routes_and_inboxes_lie_on_the_users_own_server(
    gateway: RunningGateway, behind: Backend, shards: Shards, alice: str
) -> None:
    for index, name in enumerate(one_user_each(shards, alice)):
        user, own, other = identity(name), Backend(behind.channel, shards.at(index)), shards.at(1 - index)
        socket = await gateway.connect(name)
        assert await own.routes(user) == {connection_id(socket): gateway.id}
        assert not await other.exists(keys.key(keys.ROUTES, user), keys.key(keys.INBOX, user))
        live = await own.deliver([gateway], user)
        lost = await own.append(user)
        late = await own.deliver([gateway], user)
        await until(lambda: len(socket.events) >= 4)  # noqa: B023 - awaited before the next turn
        assert [one.text for one in socket.received[1:]] == [live.json, lost.json, late.json]
        await socket.close()
        missed = await own.append(user)
        again = await gateway.connect(name, cursor=socket.cursor)
        await until(lambda: len(again.events) >= 2)  # noqa: B023 - awaited before the next turn
        assert [one.text for one in again.received[1:]] == [missed.json]


async def test_a_link_that_breaks_recovers_the_users_of_its_server(
    gateway: RunningGateway, behind: Backend, shards: Shards, alice: str
) -> None:
    names = one_user_each(shards, alice)
    sockets = [await gateway.connect(name) for name in names]
    await behind.redis.client_kill_filter(_type="pubsub")
    lost = [await Backend(behind.channel, shards.at(index)).append(identity(name)) for index, name in enumerate(names)]
    for socket, delivery in zip(sockets, lost, strict=True):
        await socket.expect("message.new")
        assert [one.text for one in socket.received[1:]] == [delivery.json]
