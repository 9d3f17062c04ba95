"""Finds the user that a command is about."""

from pydantic import SecretStr

from shared import postgres
from shared.directory import Directory
from shared.protocol.codec import is_uuid
from tools.failure import REMEDIES, Failure
from tools.target import backend_url


async def find_user(user: str) -> str:
    """Return the id of a user who is given by id or by username.

    Raises Failure for a name that nobody has, and what asyncpg raises.
    """
    if is_uuid(user):
        return user
    database = SecretStr(backend_url("database", "CHAT_DATABASE_URL"))
    pool = await postgres.open_pool(database, size=1, application_name="chatctl")
    try:
        profile = await Directory(pool).find_by_username(user)
    finally:
        await pool.close()
    if profile is None:
        raise Failure(f"no user is called {user}", REMEDIES["user_not_found"])
    return profile.user_id
