"""redis-py's connections on uvloop, which raises RuntimeError for a write to a transport that was closed just now."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError


@contextmanager
def closed_is_lost() -> Iterator[None]:
    """Raise RedisConnectionError where uvloop raises RuntimeError: a transport was closed just now. redis-py expects OSError."""
    try:
        yield
    except RuntimeError as error:
        raise RedisConnectionError(f"the connection was closed: {error}") from error


class OnUvloop:
    """Mixed into redis-py's connections."""

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command. Raises RedisError."""
        with closed_is_lost():
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]


class _TcpConnection(OnUvloop, Connection):
    pass


class _TlsConnection(OnUvloop, SSLConnection):
    pass


class _SocketConnection(OnUvloop, UnixDomainSocketConnection):
    pass


CONNECTIONS: Final[dict[type[AbstractConnection], type[AbstractConnection]]] = {
    Connection: _TcpConnection,
    SSLConnection: _TlsConnection,
    UnixDomainSocketConnection: _SocketConnection,
}
"""By the class that redis-py would take."""
