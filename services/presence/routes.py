"""Reads from Redis which gateways hold connections of users."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
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


async def read_routes(users: list[str], partition: Partition, *, pauses: bool = False) -> dict[str, list[str]]:
    """Return user → gateways, for users of one partition who have live connections. Raises RedisError.

    `pauses`: let others have Redis between the calls.
    """
    routes: dict[str, list[str]] = {}
    for read in route_reads(users, pauses=pauses):
        routes |= await read(partition)
    return routes


def route_reads(
    users: list[str], *, pauses: bool = False
) -> Iterator[Callable[[Partition], Awaitable[dict[str, list[str]]]]]:
    """Yield the calls of `read_routes`, for a caller that makes them itself."""
    for first in range(0, len(users), READ_PER_CALL):
        yield partial(_read, users[first : first + READ_PER_CALL], pauses and first > 0)


async def _read(users: list[str], pause: bool, partition: Partition) -> dict[str, list[str]]:
    if pause:
        await asyncio.sleep(PAUSE_SECONDS)
    found = await _ROUTES(partition, msgpack_encoder.encode(users))
    return {users[place - 1]: [gateway.decode() for gateway in gateways] for place, *gateways in found}


def gateways_of(receivers: Sequence[str], routes: Mapping[str, list[str]]) -> Gateways:
    """Return gateway → receivers, from the gateways of each receiver."""
    gateways: Gateways = {}
    for receiver in receivers:
        for gateway in routes.get(receiver, ()):
            gateways.setdefault(gateway, []).append(receiver)
    return gateways
