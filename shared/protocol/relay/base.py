"""The base of all internal messages, and the id of the system user."""

from typing import Final

import msgspec


class Relayed(msgspec.Struct, array_like=True):
    """Base of all messages between services: a msgpack array."""


SYSTEM_USER: Final = "00000000-0000-0000-0000-000000000000"
"""The sender of system messages (the nil UUID, RFC 9562, section 5.9). Clients see null instead."""
