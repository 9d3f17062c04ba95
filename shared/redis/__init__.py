"""Redis: users and conversations spread over servers, Lua scripts, and a quick connection for what passes with every batch.

topology     the servers, and which of them has the keys of a user or a conversation
scripts      Lua scripts with the key prefixes filled in, and the connection that runs them
connection   Redis' protocol on one connection
errors       what can go wrong, and which of it passes
"""

from redis.exceptions import RedisError

from shared.redis.connection import CONNECT_SECONDS, Argument, Broken, Connection
from shared.redis.errors import TRANSIENT_ERRORS, is_transient
from shared.redis.scripts import Script, ScriptRunner, load_lua
from shared.redis.topology import MAX_CONNECTIONS, Server, Shards

__all__ = [
    "CONNECT_SECONDS",
    "MAX_CONNECTIONS",
    "TRANSIENT_ERRORS",
    "Argument",
    "Broken",
    "Connection",
    "RedisError",
    "Script",
    "ScriptRunner",
    "Server",
    "Shards",
    "is_transient",
    "load_lua",
]
