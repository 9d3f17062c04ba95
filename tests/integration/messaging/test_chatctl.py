"""Commands of `chatctl` about users whom no development token made."""

import asyncio

import pytest

from shared.postgres import Pool
from shared.protocol import keys
from shared.redis import Shards
from tests.support.messaging import new_person
from tools.chatctl.failure import Failure
from tools.chatctl.revoke import revoke


@pytest.mark.parametrize("shards", [1], indirect=True)
async def test_a_user_is_revoked_by_name(
    pool: Pool, shards: Shards, urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, url in urls.items():
        monkeypatch.setenv(name, url)
    person = await new_person(pool)
    await asyncio.to_thread(revoke, person.username, 1)
    revoked = keys.key(keys.REVOKED, person.id)
    assert 0 < await shards.of(person.id).client.ttl(revoked) <= 86_400
    await asyncio.to_thread(revoke, person.username)
    assert await shards.of(person.id).client.ttl(revoked) == -1
    with pytest.raises(Failure, match="nobody-at-all"):
        await asyncio.to_thread(revoke, "nobody-at-all", 1)
