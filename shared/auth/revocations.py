"""Revoked users: tokens issued up to an instant are refused, by every service."""

import math
import time

from shared.auth.principal import Principal
from shared.protocol import keys, relay
from shared.protocol.closing import CloseCode
from shared.protocol.codec import msgpack_encoder
from shared.redis import Shards


class Revocations:
    """Since when users are revoked, in Redis."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def revoke(self, user_id: str, keep_seconds: int | None) -> None:
        """Refuse the user's current tokens, for `keep_seconds` or for ever, and have gateways close its connections."""
        now = math.floor(time.time())
        shard = self._shards.of(user_id)
        await shard.client.set(shard.key(keys.REVOKED, user_id), now, ex=keep_seconds)
        order = relay.Order(CloseCode.TOKEN_EXPIRED, user_id, issued_before=now)
        await shard.publish(shard.key(keys.GATEWAYS), msgpack_encoder.encode(relay.Downlink(orders=[order])))

    async def is_revoked(self, principal: Principal) -> bool:
        """True when the token was issued before the revocation, or in the same second."""
        shard = self._shards.of(principal.user_id)
        since = await shard.client.get(shard.key(keys.REVOKED, principal.user_id))
        return since is not None and principal.issued_at <= float(since)
