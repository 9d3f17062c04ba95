"""The script with which gateways carry out commands themselves, while that is possible."""

from typing import Final

from services.presence.announcer import TEMPLATES
from services.presence.friend_cache import FriendCache
from services.presence.leases import Leases
from services.presence.routes import RECEIVERS_PER_CALL
from shared.protocol import keys, limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.redis import Argument, Partitions, Script
from shared.redis.script_provider import ScriptProvider

_DIRECT: Final = Script("services.presence", "state", "friend_lists", "lease_rules", "events", "direct")
_NO_COMMANDS: Final = msgpack_encoder.encode(relay.PresenceBatch([]))


def direct_script(
    partitions: Partitions, leases: Leases, friends: FriendCache, *, tells_webhooks: bool
) -> ScriptProvider:
    """Return the provider of the script.

    It is withdrawn while webhooks ask for presence events, which a script can't send
    (docs/decisions/0042-gateways-run-a-script-of-presence.md).
    """
    settings = msgpack_encoder.encode(
        (TEMPLATES, leases.durations, limits.STATUS_BULK_CHUNK, RECEIVERS_PER_CALL, friends.cache_seconds)
    )
    most_friends = min(friends.most_friends, limits.STATUS_BULK_CHUNK)

    def no_work() -> tuple[Argument, ...]:
        return settings, leases.clock(), _NO_COMMANDS

    def entry(sha: str) -> relay.DirectPresence:
        return relay.DirectPresence(sha, settings, most_friends)

    return ScriptProvider(partitions, _DIRECT, keys.DIRECT_PRESENCE, no_work, entry, enabled=not tells_webhooks)
