"""A private Redis, configured as in production: it evicts nothing, and its data survives restarts."""

from collections.abc import Mapping
from functools import partial

from tools.stack import probes
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.program import Program

DURABILITY = (
    *("--appendonly", "yes"),
    *("--appendfsync", "everysec"),
    # Inboxes change all the time: with the default of 64 MB the file would be rewritten every few seconds under load.
    *("--auto-aof-rewrite-min-size", "256mb"),
    *("--save", ""),
    # Leases, inboxes and counters aren't a cache: refuse a write rather than drop one of them.
    *("--maxmemory-policy", "noeviction"),
    # A gateway that doesn't read its subscription is disconnected, and recovers from its cursors.
    *("--client-output-buffer-limit", "pubsub 32mb 8mb 60"),
)


class Redis:
    """The server `name` in `home`."""

    def __init__(self, home: Home, port: int, name: str = "redis") -> None:
        self._name = name
        self._port = port
        self._data = home.data(name)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"redis://127.0.0.1:{self._port}/0"

    def programs(self, environment: Mapping[str, str]) -> list[Program]:
        """The server."""
        return [
            Program(
                name=self._name,
                command=(
                    program("redis-server"),
                    "--port",
                    str(self._port),
                    "--bind",
                    "127.0.0.1",
                    "--dir",
                    str(self._data),
                    *DURABILITY,
                ),
                port=self._port,
                probe=partial(probes.redis, self.url),
                environment=environment,
                prepare=lambda: self._data.mkdir(parents=True, exist_ok=True),
            )
        ]
