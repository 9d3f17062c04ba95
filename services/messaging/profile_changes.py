"""Passes changed profiles on to presence, which tells friends and partners. Several services change profiles: see decision 22."""

from typing import Final

import structlog

from services.messaging.fanout.outgoing_events import OutgoingEvents
from services.messaging.stores.people import People
from shared.directory import Directory
from shared.polling import Polling
from shared.protocol.relay import ProfileChanged
from shared.retry import is_transient

log = structlog.get_logger(__name__)

SOONEST_SECONDS: Final = 1.0
LATEST_SECONDS: Final = 3.0
"""Between two looks for what other services have changed: claims of tokens, and users whom the platform changed."""
CHANGES_AT_ONCE: Final = 50
PARTNERS: Final = 200
"""How many partners of the most recently active conversations are told."""


class ProfileChanges:
    """Takes changed profiles from the directory. A change whose publishing fails is lost, as `user.updated` is transient."""

    def __init__(self, directory: Directory, people: People, outgoing: OutgoingEvents) -> None:
        self._directory = directory
        self._people = people
        self._outgoing = outgoing
        self._polling = Polling(SOONEST_SECONDS, LATEST_SECONDS)

    def tell(self) -> None:
        """This replica has changed a profile."""
        self._polling.tell()

    async def run(self) -> None:
        """Look for changes from time to time. Never returns."""
        while True:
            await self._polling.pause()
            try:
                while found := await self.once():
                    self._polling.found()
                    if found < CHANGES_AT_ONCE:
                        break
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("profiles.not_announced", error=repr(error))

    async def once(self) -> int:
        """Pass some changes on. Returns how many there were. Raises what asyncpg and the publisher raise."""
        profiles = await self._directory.take_changes(CHANGES_AT_ONCE)
        for profile in profiles:
            partners = await self._people.recent_partners(profile.user_id, PARTNERS)
            await self._outgoing.profile(
                ProfileChanged(profile.user_id, profile.username, profile.display_name, profile.avatar, list(partners))
            )
        return len(profiles)
