"""What this deployment offers beyond the core of the protocol: names in the `features` of `connection.success`.

A client shows a button for editing only when `message.edit` is in the list. A feature's name is added here, at the end, by
the change that makes every service of the deployment able to serve it.
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
