"""Commands of `chatctl` about users whom no development token made."""

import asyncio

import pytest

from shared.postgres import Pool
from shared.protocol import keys
from shared.redis import Partitions
from tests.support.backends import Backends
from tests.support.messaging import new_person
from tools.chatctl.revoke import revoke
from tools.failure import Failure
from tools.stack import ladder


@pytest.mark.parametrize("partitions", [1], indirect=True)
async def test_a_user_is_revoked_by_name(
    pool: Pool, partitions: Partitions, backends: Backends, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {ladder.DATABASE: database_url, ladder.REDIS: backends.redis, ladder.AMQP: backends.amqp}
    for kind, url in urls.items():
        monkeypatch.setenv(kind.variable, url)
    person = await new_person(pool)
    await asyncio.to_thread(revoke, person.username, 1)
    revoked = keys.key(keys.REVOKED, person.id)
    assert 0 < await partitions.of(person.id).client.ttl(revoked) <= 86_400
    await asyncio.to_thread(revoke, person.username)
    assert await partitions.of(person.id).client.ttl(revoked) == -1
    with pytest.raises(Failure, match="nobody-at-all"):
        await asyncio.to_thread(revoke, "nobody-at-all", 1)
