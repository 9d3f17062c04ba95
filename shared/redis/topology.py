"""The topology of Redis: one server, a master with Sentinels, or a Redis Cluster; and how its masters are found.

A topology is chosen by the scheme of `CHAT_REDIS_URLS`:

redis://host:6379/0                                          one server, or an address that always leads to the master
redis+sentinel://sentinel1:26379,sentinel2/mymaster?db=0     the master «mymaster», as the Sentinels name it
redis+cluster://node1:6379,node2,node3                       a Redis Cluster, with some of its nodes to begin with

`rediss`, `rediss+sentinel` and `rediss+cluster` use TLS. User and password before `@` are those of the data servers; those of
the Sentinels are the options `sentinel_username` and `sentinel_password`. Other options are redis-py's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from redis import DriverInfo
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError

from shared.redis.closed_transports import CONNECTIONS, OnUvloop, closed_is_lost
from shared.redis.connection import ANSWER_SECONDS, CONNECT_SECONDS
from shared.redis.hash_tags import tags
from shared.urls import split_url

MAX_CONNECTIONS: Final = 64
SENTINEL_PORT: Final = 26379
CLUSTER_PORT: Final = 6379
SENTINEL_SECONDS: Final = 1.0
"""When a Sentinel takes longer, the next one is asked."""
CLUSTER_RETRIES: Final = 3
DEFAULT_PARTITIONS: Final = 16
"""Partitions in a cluster."""

Options = Mapping[str, Any]
"""Options to connect to one server, as redis-py's `parse_url` returns them: host, port, db, username, password, TLS."""

_DRIVER: Final[dict[str, Any]] = {"driver_info": DriverInfo()}
"""What a connection says of itself to the server. Otherwise redis-py reads its package's metadata for each connection."""
_OF_ALL: Final[dict[str, Any]] = {
    **_DRIVER,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_timeout": ANSWER_SECONDS,
}
"""Options of each connection of redis-py to a data server."""


class Topology(Protocol):
    """The interface of all topologies. Partitions are numbered from 0."""

    @property
    def tags(self) -> Sequence[str]:
        """Return the prefix of each partition's keys: its hash tag in braces, or '' without a cluster."""

    @property
    def clustered(self) -> bool:
        """Return True when scripts declare the partition's hash slot, and pub/sub is sharded."""

    def client(self, partition: int) -> Redis:
        """Return redis-py's client of the partition's master. Replies are bytes."""

    async def locate(self, partition: int) -> Options:
        """Return how to connect to the partition's current master. Raises OSError, TimeoutError or RedisError."""

    async def forget(self) -> None:
        """Handle a lost or demoted master: look the masters up again, and don't reuse idle connections."""

    async def aclose(self) -> None:
        """Close all connections."""


class _Pooled:
    """Common base of one server and Sentinel: one master, one pool, one partition without a hash tag."""

    tags: Sequence[str] = ("",)
    clustered = False

    def __init__(self, options: Options, connection_class: type[Connection] | None = None, **more: Any) -> None:
        kwargs = {**options, **_OF_ALL, **more}
        kwargs["connection_class"] = connection_class or CONNECTIONS[kwargs.get("connection_class", Connection)]
        self._pool = BlockingConnectionPool(
            timeout=ANSWER_SECONDS,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[RedisConnectionError, ReadOnlyError, MasterDownError],
            max_connections=MAX_CONNECTIONS,
            **kwargs,
        )
        self._client = Redis(connection_pool=self._pool)

    def client(self, _partition: int) -> Redis:
        """Return the client of the master."""
        return self._client

    async def forget(self) -> None:
        """Close idle connections: their server may no longer be the master, and would still answer reads."""
        await self._pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose(close_connection_pool=True)
        await self._pool.aclose()


class OneServer(_Pooled):
    """One server, or a name that always resolves to the master: it is resolved at each connect."""

    def __init__(self, url: str) -> None:
        self._options = cast("Options", parse_url(url))
        super().__init__(self._options)

    async def locate(self, _partition: int) -> Options:
        """Return the options of the URL."""
        return self._options


class _LocatedConnection(OnUvloop, Connection):
    """A connection of redis-py that looks the master up at each connect."""

    def __init__(self, *, locate: Callable[[], Awaitable[tuple[str, int]]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._locate = locate

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Connect to the current master. Raises RedisError."""
        if not self.is_connected:
            self.host, self.port = await self._locate()
        await super().connect_check_health(check_health=check_health, retry_socket_connect=retry_socket_connect)


class _LocatedTlsConnection(_LocatedConnection, SSLConnection):
    """The same with TLS."""


class SentinelMaster(_Pooled):
    """The master that the Sentinels name.

    It follows «Guidelines for Redis clients with support for Redis Sentinel» (Redis documentation).
    """

    def __init__(self, url: str) -> None:
        seeds = _Seeds(url, SENTINEL_PORT)
        if not seeds.path:
            raise ValueError("a Sentinel URL ends with the master's name: redis+sentinel://host:26379/mymaster")
        own = {name: seeds.options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
        self._name = unquote(seeds.path)
        self._options = seeds.server(seeds.hosts[0], credentials=True)
        watch = seeds.server(seeds.hosts[0], credentials=False)
        secure = {name: value for name, value in watch.items() if name.startswith("ssl_")}
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
            seeds.hosts,
            sentinel_kwargs={
                **_DRIVER,
                **secure,
                **{name: value for name, value in own.items() if value is not None},
                **({"ssl": True} if seeds.tls else {}),
                "socket_connect_timeout": SENTINEL_SECONDS,
                "socket_timeout": SENTINEL_SECONDS,
            },
        )
        kind = _LocatedTlsConnection if seeds.tls else _LocatedConnection
        super().__init__(self._options, kind, locate=self._address)

    async def locate(self, _partition: int) -> Options:
        """Return the current master. Raises RedisError when no Sentinel knows one."""
        host, port = await self._address()
        return {**self._options, "host": host, "port": port}

    async def aclose(self) -> None:
        """Close all connections."""
        await super().aclose()
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose()

    async def _address(self) -> tuple[str, int]:
        with closed_is_lost():
            host, port = await self._sentinel.discover_master(self._name)
        return str(host), int(port)


class Cluster:
    """A Redis Cluster. redis-py's client finds the nodes, and follows slots that move."""

    clustered = True

    def __init__(self, url: str, partitions: int) -> None:
        seeds = _Seeds(url, CLUSTER_PORT)
        self.tags: Sequence[str] = tags(partitions)
        self._options = seeds.server(seeds.hosts[0], credentials=True)
        kwargs = {
            name: value for name, value in self._options.items() if name not in ("host", "port", "connection_class")
        }
        if kwargs.pop("db", 0):
            raise ValueError("a Redis Cluster has database 0 only")
        if seeds.tls:
            kwargs["ssl"] = True
        self._cluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in seeds.hosts],
            require_full_coverage=False,
            max_connections=MAX_CONNECTIONS,
            retry=Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), CLUSTER_RETRIES),
            **kwargs,
            **_OF_ALL,
        )
        made_of = CONNECTIONS[self._cluster.connection_kwargs["connection_class"]]
        self._cluster.connection_kwargs["connection_class"] = made_of
        for node in self._cluster.startup_nodes:
            node.connection_class = cast("type[Connection]", made_of)
        self._opening = asyncio.Lock()
        self._open = False
        self._readings = 0

    def client(self, _partition: int) -> Redis:
        """Return the client of all nodes. It sends each command to the node that has the slot of its keys."""
        # Both clients have the same commands, but there is no common type.
        return cast("Redis", self._cluster)

    async def locate(self, partition: int) -> Options:
        """Return the node that has the partition's slot. Raises RedisError when the slot isn't served."""
        async with self._opening:
            if not self._open:
                await self._cluster.initialize()
                self._open = True
        node = self._cluster.get_node_from_key(self.tags[partition])
        if node is None:
            raise RedisConnectionError(f"no node serves the hash slot of {self.tags[partition]}")
        return {**self._options, "host": node.host, "port": node.port}

    async def forget(self) -> None:
        """Read the slots of all nodes again, from any node that answers.

        Callers that come while one reading is under way share the next: after a failover there are as many as scripts were under
        way, and a reading may take seconds while a node doesn't answer.
        """
        before = self._readings
        async with self._opening:
            if self._open and self._readings == before:
                self._readings += 1
                await self._cluster.nodes_manager.initialize()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._cluster.aclose()


class _Seeds:
    """The parts of a URL with several hosts."""

    def __init__(self, url: str, port: int) -> None:
        parts = split_url(url)
        self.tls = parts.scheme.startswith("rediss")
        credentials, at, hosts = parts.netloc.rpartition("@")
        self._credentials = credentials + at
        self.hosts = [_host_and_port(host, port) for host in hosts.split(",") if host]
        self.path = parts.path.strip("/")
        self.options = dict(parse_qsl(parts.query))
        if not self.hosts:
            raise ValueError("no Redis server is named")

    def server(self, address: tuple[str, int], *, credentials: bool) -> dict[str, Any]:
        """Return the options to connect to a server at `address`."""
        host, port = address
        shown = f"[{host}]" if ":" in host else quote(host)
        before = self._credentials if credentials else ""
        query = f"?{urlencode(self.options)}" if self.options else ""
        return dict(parse_url(f"{'rediss' if self.tls else 'redis'}://{before}{shown}:{port}{query}"))


def _host_and_port(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"«{text}» names no host")
    return parts.hostname, parts.port or port


def topology_of(url: str, partitions: int) -> Topology:
    """Return the topology of `url`, without connecting. `partitions` is used only in a cluster.

    Raises ValueError, with advice, for an invalid URL.
    """
    if url.count("://") > 1:
        raise ValueError(
            "names several Redis servers: name one, or redis+sentinel://…/name, or redis+cluster://host1,host2,host3 "
            "(users are no longer spread over servers that know nothing of each other)"
        )
    scheme, _, engine = url.partition("://")[0].partition("+")
    if scheme not in ("redis", "rediss", "unix") or engine not in ("", "sentinel", "cluster"):
        raise ValueError("begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    if engine == "sentinel":
        return SentinelMaster(url)
    if engine == "cluster":
        return Cluster(url, partitions)
    return OneServer(url)
