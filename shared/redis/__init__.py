"""Redis: partitions of users and conversations on one server, a master with replicas, or a cluster; Lua scripts; pub/sub.

topology           one server, Sentinels or a cluster, and how the masters are found
hash_tags          how a cluster keeps each partition's keys together
partitions         the partitions, and which one has the keys of a user or a conversation
scripts            Lua scripts with the key prefixes filled in
script_runner      runs scripts on the connection of one partition
script_provider    lets other services run a script
records            fills the layout of protocol.relay's structs into scripts
pubsub             a subscription that ends when its connection breaks
previews           the texts of waiting pushes
processed_batches  which batches of commands messaging has finished
closed_transports  redis-py's connections, when uvloop closes one while they write
connection         Redis' protocol on one connection
errors             which errors are transient
"""

from redis.exceptions import RedisError

from shared.redis.connection import CONNECT_SECONDS, Argument, Broken, Connection
from shared.redis.errors import REDIS_ERRORS, TRANSIENT_ERRORS, is_transient
from shared.redis.partitions import Key, Partition, Partitions, open_partitions
from shared.redis.pubsub import Subscription
from shared.redis.script_runner import ScriptRunner
from shared.redis.scripts import Script, load_lua
from shared.redis.topology import DEFAULT_PARTITIONS, MAX_CONNECTIONS, Options, Topology, topology_of

__all__ = [
    "CONNECT_SECONDS",
    "DEFAULT_PARTITIONS",
    "MAX_CONNECTIONS",
    "REDIS_ERRORS",
    "TRANSIENT_ERRORS",
    "Argument",
    "Broken",
    "Connection",
    "Key",
    "Options",
    "Partition",
    "Partitions",
    "RedisError",
    "Script",
    "ScriptRunner",
    "Subscription",
    "Topology",
    "is_transient",
    "load_lua",
    "open_partitions",
    "topology_of",
]
