"""`python -m services.messaging.unread_repair USER`: put a user's unread counts right in Redis, and show what was wrong.

Needs `CHAT_DATABASE_URL` and `CHAT_REDIS_URLS`. USER is a user id or a username.
"""

import asyncio
import sys
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.messaging.unread import Difference, UnreadCounts
from shared import postgres
from shared.directory import Directory
from shared.protocol.codec import is_uuid
from shared.redis import Shards
from shared.settings import split_commas


class RepairSettings(BaseSettings):
    """Where the counts are."""

    model_config = SettingsConfigDict(env_prefix="CHAT_", extra="ignore", frozen=True)

    database_url: SecretStr
    redis_urls: Annotated[list[str], NoDecode] = Field(min_length=1)

    _split = field_validator("redis_urls", mode="before")(split_commas)


async def repair(counts: UnreadCounts, user_id: str) -> list[Difference]:
    """Overwrite the copy in Redis with PostgreSQL's counts; says what differed before. Raises what asyncpg and redis raise."""
    differences = await counts.compare(user_id)
    await counts.rebuild([user_id], force=True)
    return differences


async def find_user(directory: Directory, user: str) -> str | None:
    """The id of a user named by id or username, or None."""
    profile = await (directory.find(user) if is_uuid(user) else directory.find_by_username(user))
    return None if profile is None else profile.user_id


async def main(user: str) -> int:
    """Repair one user's counts and print what was wrong; returns the exit status."""
    settings = RepairSettings()
    pool = await postgres.open_pool(settings.database_url, size=1, application_name="unread-repair")
    shards = Shards(settings.redis_urls)
    try:
        user_id = await find_user(Directory(pool), user)
        if user_id is None:
            sys.stderr.write(f"No user is called {user}.\n")
            return 1
        differences = await repair(UnreadCounts(pool, shards), user_id)
        for name, redis, truth in differences:
            sys.stdout.write(f"{name}: {redis} -> {truth}\n")
        sys.stdout.write(f"{len(differences)} counts of {user} were wrong and are right now.\n")
        return 0
    finally:
        await shards.aclose()
        await pool.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m services.messaging.unread_repair USER")
    sys.exit(asyncio.run(main(sys.argv[1])))
