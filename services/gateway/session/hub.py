"""The connections of this gateway, by user and by id."""

import asyncio
from collections.abc import Iterator, Sequence

from services.gateway import metrics
from services.gateway.session.connection import Connection


class Hub:
    """Holds every connection from before its route is registered until it is lost."""

    def __init__(self) -> None:
        self.by_id: dict[str, Connection] = {}
        self._by_user: dict[str, tuple[Connection, ...]] = {}
        self.occupied = asyncio.Event()
        """Set while there is any connection."""

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over a snapshot: connections may come and go meanwhile."""
        return iter(list(self.by_id.values()))

    def add(self, connection: Connection) -> None:
        """Add `connection`."""
        self.by_id[connection.id] = connection
        self._by_user[connection.user_id] = (*self._by_user.get(connection.user_id, ()), connection)
        metrics.CONNECTIONS.set(len(self.by_id))
        self.occupied.set()

    def remove(self, connection: Connection) -> bool:
        """Remove `connection`. False when it wasn't there."""
        if self.by_id.pop(connection.id, None) is None:
            return False
        left = tuple(other for other in self._by_user[connection.user_id] if other is not connection)
        if left:
            self._by_user[connection.user_id] = left
        else:
            del self._by_user[connection.user_id]
        metrics.CONNECTIONS.set(len(self.by_id))
        if not self.by_id:
            self.occupied.clear()
        return True

    def of_user(self, user_id: str) -> Sequence[Connection]:
        """Return the user's connections here, if any."""
        return self._by_user.get(user_id, ())
