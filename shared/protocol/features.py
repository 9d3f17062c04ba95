"""What this deployment offers beyond the core of the protocol: names in the `features` of `connection.success`.

A client shows a button for editing only when `message.edit` is in the list. A feature's name is added here, at the end, by
the change that makes every service of the deployment able to serve it. A gateway offers it while every replica of its servers
says that it serves it (`shared.features`).
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
"""Feature → the services that must serve it, beside the gateways."""


def served_by(service: str) -> set[str]:
    """The features in which a service has a part."""
    return {name for name in FEATURES if service in SERVERS[name]}
