"""What every internal message is, and whom the system speaks as."""

from typing import Final

import msgspec


class Relayed(msgspec.Struct, array_like=True):
    """Base of everything that crosses an internal wire."""


SYSTEM_USER: Final = "00000000-0000-0000-0000-000000000000"
"""The sender of system messages (the nil UUID, RFC 9562, section 5.9). To the outside it is null."""
