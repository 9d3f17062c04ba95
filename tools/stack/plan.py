"""The user's plan of a stack: settings and numbers of replicas, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tools.stack.errors import StackError

PREFIX = "CHAT_"
DEFAULT_PORT = 8080
REPLICAS = {
    "gateway": ("GATEWAYS", 2),
    "messaging": ("MESSAGING", 1),
    "presence": ("PRESENCE", 1),
    "notifier": ("NOTIFIER", 1),
    "media": ("MEDIA", 1),
    "admin": ("ADMIN", 1),
    "webhooks": ("WEBHOOKS", 1),
}
"""Service → the variable with its number of replicas, and the number when that isn't set."""
UNROUTED = frozenset({"admin", "webhooks"})
"""Services that the load balancer doesn't route to."""
MOST = 32


@dataclass(frozen=True)
class Plan:
    """`settings`: the `CHAT_*` variables that were given. `numbers`: variable of `REPLICAS` → number, where given."""

    settings: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the plan in `environment`. Raises StackError, which names the variable and the bad value."""
        variables = [variable for variable, _ in REPLICAS.values()]
        plan = cls(
            settings={name: value for name, value in environment.items() if name.startswith(PREFIX)},
            numbers={name: _number(name, environment[name], 1, MOST) for name in variables if environment.get(name)},
        )
        _ = plan.port
        return plan

    @classmethod
    def stored(cls, document: Any) -> Self:
        """Return what `document` wrote; an empty plan when there is none."""
        return cls(**document) if document else cls()

    def document(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        return {"settings": self.settings, "numbers": self.numbers}

    def over(self, running: "Plan") -> "Plan":
        """Return this plan, with missing values from the running stack's plan."""
        return Plan({**running.settings, **self.settings}, {**running.numbers, **self.numbers})

    def kept_from(self, running: "Plan") -> list[str]:
        """Return the values of the running stack's plan that this plan doesn't have, as NAME=value."""
        mine = {**self.settings, **self.numbers}
        theirs = {**running.settings, **running.numbers}
        return [f"{name}={value}" for name, value in sorted(theirs.items()) if name not in mine]

    @property
    def port(self) -> int:
        """Where clients connect."""
        return _number("CHAT_PORT", self.settings.get("CHAT_PORT") or str(DEFAULT_PORT), 1, 65535)

    @property
    def replicas(self) -> dict[str, int]:
        """Service → number of processes."""
        return {service: self.numbers.get(variable, usual) for service, (variable, usual) in REPLICAS.items()}

    @property
    def routed(self) -> dict[str, int]:
        """Return the same, for services that the load balancer routes to."""
        return {service: count for service, count in self.replicas.items() if service not in UNROUTED}


def _number(name: str, text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise StackError(f"{name}={text}: must be a number from {least} to {most}")
    return int(text)
