"""Reads from Redis which gateways hold connections of users."""

from collections.abc import Mapping, Sequence
from typing import Final

from shared.protocol.codec import msgpack_encoder
from shared.redis import Partition, Script

RECEIVERS_PER_CALL: Final = 1_000
"""Limits how long one script keeps a Redis server busy, which delays all acknowledgements: a friend in a bulk costs 3 µs."""

_ROUTES: Final = Script("services.presence", "routes")

Gateways = dict[str, list[str]]
"""Gateway id → receivers that have connections there."""


async def read_routes(users: list[str], client: Partition) -> dict[str, list[str]]:
    """Return user → gateways, for users of one partition who have live connections. Raises RedisError."""
    routes: dict[str, list[str]] = {}
    for first in range(0, len(users), RECEIVERS_PER_CALL):
        part = users[first : first + RECEIVERS_PER_CALL]
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
