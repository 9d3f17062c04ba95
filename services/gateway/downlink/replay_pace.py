"""How fast one user's inbox is read for their connections: a replay is the largest answer that a client can ask for."""

from typing import Final

BYTES_A_SECOND: Final = 1024 * 1024
BYTES_AT_ONCE: Final = 2 * 1024 * 1024
"""Most inboxes are far smaller: a user with several devices gets them all at once."""
MANY_USERS: Final = 1_000
"""So many are remembered before those who may read at once again are forgotten."""


class ReplayPace:
    """Counts the bytes that this gateway reads for each user: `BYTES_AT_ONCE`, refilled with `BYTES_A_SECOND`.

    What is read may exceed what is left by one part: it is paid for before the next. `now` is monotonic seconds.
    """

    def __init__(self) -> None:
        self._paid_at: dict[str, float] = {}
        """User → when everything that was read is paid for."""
        self._many = MANY_USERS

    def __len__(self) -> int:
        """How many users are remembered."""
        return len(self._paid_at)

    def count(self, user_id: str, size: int, now: float) -> None:
        """Bytes were read."""
        if size:
            self._paid_at[user_id] = max(self._paid_at.get(user_id, now), now) + size / BYTES_A_SECOND
            if len(self._paid_at) > self._many:
                self._forget(now)

    def wait(self, user_id: str, now: float) -> float:
        """Seconds until the user's next part may be read; 0 at once."""
        return max(0.0, self._paid_at.get(user_id, now) - now - BYTES_AT_ONCE / BYTES_A_SECOND)

    def _forget(self, now: float) -> None:
        self._paid_at = {user: paid_at for user, paid_at in self._paid_at.items() if paid_at > now}
        self._many = max(MANY_USERS, 2 * len(self._paid_at))
