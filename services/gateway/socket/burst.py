"""Events of one user that came together, framed once for all of the user's connections."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from services.gateway.socket.frames import text_frame
from shared.protocol import relay


class Burst(NamedTuple):
    """Consecutive deliveries of one user, their events as JSON, and as frames; never empty."""

    deliveries: Sequence[relay.Delivery]
    texts: list[bytes]
    frames: list[bytes]

    @classmethod
    def of(cls, deliveries: Sequence[relay.Delivery]) -> Self:
        """Frame `deliveries`, which are of one user."""
        texts = [delivery.json.encode() for delivery in deliveries]
        return cls(deliveries, texts, list(map(text_frame, texts)))
