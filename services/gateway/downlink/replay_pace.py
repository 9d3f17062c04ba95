"""How fast one user's inbox is read for their connections: a replay is the largest answer that a client can ask for."""

from typing import Final

BYTES_A_SECOND: Final = 1024 * 1024
BYTES_AT_ONCE: Final = 2 * 1024 * 1024
"""Most inboxes are far smaller: a user with several devices gets them all at once."""
MANY_USERS: Final = 1_000
"""Above this number, users who may read at once again are forgotten."""


class ReplayPace:
    """Counts the bytes that this gateway reads for each user: `BYTES_AT_ONCE`, refilled with `BYTES_A_SECOND`.

    A part may exceed the remaining budget; the next part then waits until the budget is positive again. `now` is monotonic
    seconds.
    """

    def __init__(self) -> None:
        self._paid_at: dict[str, float] = {}
        """User → the time at which the budget covers everything that was read."""
        self._many = MANY_USERS

    def __len__(self) -> int:
        """Return how many users are remembered."""
        return len(self._paid_at)

    def count(self, user_id: str, size: int, now: float) -> None:
        """Charge `size` bytes that were read."""
        if size:
            self._paid_at[user_id] = max(self._paid_at.get(user_id, now), now) + size / BYTES_A_SECOND
            if len(self._paid_at) > self._many:
                self._forget(now)

    def wait(self, user_id: str, now: float) -> float:
        """Return the seconds until the user's next part may be read, or 0."""
        return max(0.0, self._paid_at.get(user_id, now) - now - BYTES_AT_ONCE / BYTES_A_SECOND)

    def _forget(self, now: float) -> None:
        self._paid_at = {user: paid_at for user, paid_at in self._paid_at.items() if paid_at > now}
        self._many = max(MANY_USERS, 2 * len(self._paid_at))
