"""Ports for private servers: free, kept over restarts, and below the ephemeral range.

From 32768 on, a connect loop to a port where nobody listens may get that port as its own source and connect to itself
(TCP simultaneous open, RFC 9293, section 3.5): the server then finds its port taken.
"""

import json
import os
import random
import socket
from collections.abc import Callable, Collection

from tools.stack.errors import StackError
from tools.stack.home import Home, read_json, write_private

LOWEST = 15_000
HIGHEST = 32_000
RANGE = "STACK_PORTS"
"""The variable that narrows the range, as in `15000-19000`: runs with different ranges never take each other's ports."""
ATTEMPTS = 200
_given: set[int] = set()
"""Each port is given only once by a process, because its user may not listen on it yet."""


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback address now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = (), free: Callable[[int], bool] = is_free) -> int:
    """Return a free port that isn't in `taken` and that this process hasn't given before.

    Raises RuntimeError when there is none to be found.
    """
    lowest, highest = port_range(os.environ.get(RANGE, ""))
    for _ in range(ATTEMPTS):
        port = random.randint(lowest, highest)  # noqa: S311 - spread, not secrecy
        if port not in taken and port not in _given and free(port):
            _given.add(port)
            return port
    raise RuntimeError(f"no free port between {lowest} and {highest}")


def port_range(text: str) -> tuple[int, int]:
    """The lowest and the highest port of `15000-19000`; the whole range when `text` is empty. Raises StackError."""
    if not text:
        return LOWEST, HIGHEST
    lowest, _, highest = text.partition("-")
    if not (lowest.isdecimal() and highest.isdecimal() and LOWEST <= int(lowest) < int(highest) <= HIGHEST):
        raise StackError(f"{RANGE}={text}: must be two ports from {LOWEST} to {HIGHEST}, as in 15000-19000")
    return int(lowest), int(highest)


class PortBook:
    """Name → port, stored in the stack's home, so that a restarted server has the port that its clients know.

    A process has the port of its own name; `name/purpose` is a further one.
    """

    def __init__(self, home: Home, free: Callable[[int], bool] = is_free) -> None:
        self._file = home.path / "ports.json"
        self._free = free
        self._ports: dict[str, int] = read_json(self._file) or {}

    def port(self, name: str) -> int:
        """The port of `name`: the one it had, else a free one."""
        if name not in self._ports:
            self._ports[name] = free_port(self._ports.values(), self._free)
            self._save()
        return self._ports[name]

    def release_taken(self, running: set[str]) -> None:
        """Drop the ports that other programs took while the processes that aren't in `running` were down."""
        idle = {name: port for name, port in self._ports.items() if name.partition("/")[0] not in running}
        taken = [name for name, port in idle.items() if not self._free(port)]
        for name in taken:
            del self._ports[name]
        if taken:
            self._save()

    def _save(self) -> None:
        write_private(self._file, json.dumps(self._ports, indent=1))
