"""The store of users' push settings, in PostgreSQL: preview, quiet hours, and mutes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from services.notifier.quiet_hours import QuietHours, time_zones
from shared.postgres import Pool, load_sql
from shared.protocol import relay

_PUT: Final = load_sql("services.notifier", "put_push_settings")
_OF: Final = load_sql("services.notifier", "push_settings_of")
_MUTE: Final = load_sql("services.notifier", "mute_conversation")
_GET: Final = """
SELECT preview, time_zone, quiet_from, quiet_to, muted_until FROM notifier.push_settings WHERE user_id = $1::uuid
"""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))"
"""One writer for each user. A row that doesn't exist yet can't be locked."""


@dataclass(frozen=True, slots=True)
class PushSettings:
    """A user's settings. Without `preview`, a push doesn't show the content. Until `muted_until` there are no pushes."""

    preview: bool = True
    quiet_hours: QuietHours | None = None
    muted_until: datetime | None = None


DEFAULTS: Final = PushSettings()


class PushSettingsStore:
    """The tables of push settings. Every method raises what asyncpg raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, user_id: str) -> PushSettings:
        """Return a user's settings."""
        row = await self._pool.fetchrow(_GET, user_id)
        return DEFAULTS if row is None else _settings_of(row)

    async def change(self, user_id: str, change: Callable[[PushSettings], PushSettings]) -> PushSettings:
        """Apply `change` to a user's settings, and return the result. Concurrent changes don't undo each other."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK, user_id)
            row = await connection.fetchrow(_GET, user_id)
            settings = change(DEFAULTS if row is None else _settings_of(row))
            quiet = settings.quiet_hours
            span = (None, None, None) if quiet is None else (quiet.time_zone, quiet.start, quiet.end)
            await connection.execute(_PUT, user_id, settings.preview, *span, settings.muted_until)
        return settings

    async def of(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[PushSettings, datetime | None]]:
        """Return for each (user, conversation) the user's settings, and until when the user muted the conversation, or None."""
        users, conversations = [user for user, _ in pairs], [conversation for _, conversation in pairs]
        rows = await self._pool.fetch(_OF, users, conversations)
        return [(_settings_of(row), row["conversation_muted_until"]) for row in rows]

    async def mute(self, event: relay.ConversationMuted) -> None:
        """Mute or unmute a conversation of a user. An older version than the stored one changes nothing."""
        until = None if event.until_ms is None else _instant_of(event.until_ms)
        await self._pool.execute(_MUTE, event.user_id, event.conversation_id, until, event.version)


def _instant_of(unix_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _settings_of(row: Any) -> PushSettings:
    return PushSettings(row["preview"], _quiet_hours_of(row), row["muted_until"])


def _quiet_hours_of(row: Any) -> QuietHours | None:
    """Return a user's quiet hours; None also where only another release's database of time zones has theirs."""
    zone = row["time_zone"]
    if zone is None or zone not in time_zones():
        return None
    return QuietHours(zone, row["quiet_from"], row["quiet_to"])
