"""Which gateways hold connections of users."""

import asyncio
import uuid
from typing import Any

import pytest

from services.presence.routes import PAUSE_SECONDS, READ_PER_CALL, read_routes
from shared.protocol import keys
from shared.redis import Partitions
from shared.redis.script_runner import ScriptRunner


async def test_many_users_are_looked_up_by_short_scripts(
    partitions: Partitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acknowledgements wait for scripts, and others get their turn between them."""
    partition = partitions.at(0)
    users = [str(uuid.uuid4()) for _ in range(3 * READ_PER_CALL)]
    connected = users[:: READ_PER_CALL // 2]
    for user in connected:
        await partition.client.hset(partition.key(keys.ROUTES, user), mapping={"one": "gateway-1", "two": "gateway-1"})
    happened: list[int | str] = []
    run, sleep = ScriptRunner.run, asyncio.sleep

    async def noted(runner: ScriptRunner, sha: str, text: str | None, arguments: tuple[Any, ...]) -> Any:
        happened.append(sum(user.encode() in argument for argument in arguments for user in users))
        return await run(runner, sha, text, arguments)

    async def paused(seconds: float) -> None:
        if seconds == PAUSE_SECONDS:
            happened.append("pause")
        await sleep(seconds)

    monkeypatch.setattr(ScriptRunner, "run", noted)
    monkeypatch.setattr(asyncio, "sleep", paused)
    found = await read_routes(users, partition, pauses=True)
    assert happened == [READ_PER_CALL, "pause", READ_PER_CALL, "pause", READ_PER_CALL]
    assert found == {user: ["gateway-1"] for user in connected}
