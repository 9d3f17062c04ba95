"""Reads from Redis which gateways hold connections of users."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from shared.protocol.codec import msgpack_encoder
from shared.redis import Partition, Script

RECEIVERS_PER_CALL: Final = 1_000
"""Receivers of the events that one script publishes."""
READ_PER_CALL: Final = 250
"""Users whose state one script reads, which takes a millisecond: every acknowledgement waits for scripts."""
PAUSE_SECONDS: Final = 0.003
"""After each script about the many friends of one user: the others have most of Redis meanwhile."""

_ROUTES: Final = Script("services.presence", "routes")

Gateways = dict[str, list[str]]
"""Gateway id → receivers that have connections there."""


async def read_routes(users: list[str], client: Partition, *, pauses: bool = False) -> dict[str, list[str]]:
    """Return user → gateways, for users of one partition who have live connections. Raises RedisError.

    `pauses`: let others have Redis between the calls.
    """
    routes: dict[str, list[str]] = {}
    for first in range(0, len(users), READ_PER_CALL):
        if pauses and first:
            await asyncio.sleep(PAUSE_SECONDS)
        part = users[first : first + READ_PER_CALL]
        for place, *gateways in await _ROUTES(client, msgpack_encoder.encode(part)):
            routes[part[place - 1]] = [gateway.decode() for gateway in gateways]
    return routes


def gateways_of(receivers: Sequence[str], routes: Mapping[str, list[str]]) -> Gateways:
    """Return gateway → receivers, from the gateways of each receiver."""
    gateways: Gateways = {}
    for receiver in receivers:
        for gateway in routes.get(receiver, ()):
            gateways.setdefault(gateway, []).append(receiver)
    return gateways
