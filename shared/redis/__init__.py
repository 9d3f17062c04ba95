"""Redis: partitions of users and conversations on one server, a master with replicas, or a cluster; Lua scripts; pub/sub.

topology     one server, Sentinels or a cluster, and how the masters are found
hash_tags    how a cluster keeps each partition's keys together
shards       the partitions, and which of them has the keys of a user or a conversation
scripts      Lua scripts with the key prefixes filled in, and the connection that runs them
records      what scripts publish, laid out as protocol.relay declares it
pubsub       a subscription whose end is noticed
previews     the texts of pushes that wait
connection   Redis' protocol on one connection
errors       what can go wrong, and which of it passes
"""

from redis.exceptions import RedisError

from shared.redis.connection import CONNECT_SECONDS, Argument, Broken, Connection
from shared.redis.errors import TRANSIENT_ERRORS, is_transient
from shared.redis.pubsub import Subscription
from shared.redis.scripts import Script, ScriptRunner, load_lua
from shared.redis.shards import Key, Shard, Shards, open_shards
from shared.redis.topology import DEFAULT_PARTITIONS, MAX_CONNECTIONS, Options, Topology, topology_of

__all__ = [
    "CONNECT_SECONDS",
    "DEFAULT_PARTITIONS",
    "MAX_CONNECTIONS",
    "TRANSIENT_ERRORS",
    "Argument",
    "Broken",
    "Connection",
    "Key",
    "Options",
    "RedisError",
    "Script",
    "ScriptRunner",
    "Shard",
    "Shards",
    "Subscription",
    "Topology",
    "is_transient",
    "load_lua",
    "open_shards",
    "topology_of",
]
