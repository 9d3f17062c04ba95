"""The measured system: its addresses and its processes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A running system. `url`: its origin. `processes`: kind → root pids, such as `gateway`, `postgres`.

    `admin_url`: the origin of its server API.
    """

    name: str
    url: str
    processes: dict[str, list[int]] = field(default_factory=dict)
    database_url: str | None = None
    redis_url: str | None = None
    follows_schema: str = "presence"
    """The schema of its table `follows` (follower, followee)."""
    admin_url: str | None = None

    @property
    def origin(self) -> str:
        """The `Origin` of its page."""
        return self.url

    @property
    def socket_url(self) -> str:
        """The WebSocket's address."""
        return "ws" + self.url.removeprefix("http") + "/chat/ws"


def target_of(stack: dict[str, Any], name: str = "system") -> Target:
    """Return the target that a `stack.json` describes. The replicas `gateway-1` and `gateway-2` have the same kind."""
    processes: dict[str, list[int]] = {}
    for process in stack["processes"]:
        processes.setdefault(kind_of(process["name"]), []).append(process["pid"])
    backends = stack.get("backends", {})
    return Target(
        name, stack["url"], processes, backends.get("database"), backends.get("redis"), admin_url=stack.get("adminUrl")
    )


def read_target(path: Path) -> Target:
    """Read a `stack.json` file, and return its target. Raises FileNotFoundError."""
    return target_of(json.loads(path.read_text(encoding="utf-8")))


def kind_of(name: str) -> str:
    """Return the kind of a process: its name without the replica's number."""
    kind, _, number = name.rpartition("-")
    return kind if number.isdigit() and kind else name
