"""Features: what this deployment offers beyond the core of the protocol, as names in `features` of `connection.success`.

A client shows a button for editing only when `message.edit` is in the list. A new name is added here, at the end, in the same
change that lets all services serve it. A gateway offers a feature while every replica of the services in `SERVERS` announces it
(`shared.features`).
"""

from typing import Final

FEATURES: Final[tuple[str, ...]] = (
    "upload",
    "message.edit",
    "message.delete",
    "reaction",
    "reply",
    "metadata",
    "conversation",
)

_MESSAGING: Final = ("messaging",)
SERVERS: Final[dict[str, tuple[str, ...]]] = {
    "upload": ("media", "messaging"),
    "message.edit": _MESSAGING,
    "message.delete": _MESSAGING,
    "reaction": _MESSAGING,
    "reply": _MESSAGING,
    "metadata": _MESSAGING,
    "conversation": _MESSAGING,
}
"""Feature → the services that must serve it, besides the gateways."""


def served_by(service: str) -> set[str]:
    """Return the features that need a service."""
    return {name for name in FEATURES if service in SERVERS[name]}
