"""Redis' data of a message: the inboxes with it, the receiver's connections, and its pushes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.protocol import keys
from shared.redis import Partitions
from tools.message_trace.row import Row


@dataclass(frozen=True, slots=True)
class Copies:
    """`offsets`: user id → the cursor of the message's event in the user's inbox, None when it is not (or no longer) there.

    `connections`: of the receiver, now: connection id → gateway id. `pushes`: device id → what became of its push.
    """

    offsets: dict[str, str | None]
    connections: dict[str, str]
    pushes: dict[str, str]


async def find(partitions: Partitions, row: Row, devices: Sequence[str]) -> Copies:
    """Look at the inboxes of both. Raises RedisError."""
    offsets = {user: await _cursor(partitions, user, row.id) for user in (row.sender_id, row.receiver_id)}
    partition = partitions.of(row.receiver_id)
    client: Any = partition.client
    routes = await client.hgetall(partition.key(keys.ROUTES, row.receiver_id))
    pushes = {}
    for device in devices:
        state = await client.get(partition.key(keys.PUSHED, row.id, device))
        if state is not None:
            pushes[device] = state.decode()
    connections = {connection.decode(): gateway.decode() for connection, gateway in routes.items()}
    return Copies(offsets, connections, pushes)


async def _cursor(partitions: Partitions, user_id: str, message_id: str) -> str | None:
    """Return the message's cursor in an inbox, or None. All of the inbox is read, because it is bounded (512 entries, 4 MiB)."""
    partition = partitions.of(user_id)
    client: Any = partition.client
    needle = message_id.encode()
    for entry_id, fields in await client.xrange(partition.key(keys.INBOX, user_id)):
        if any(needle in value for value in fields.values()):
            return str(entry_id.decode())
    return None
