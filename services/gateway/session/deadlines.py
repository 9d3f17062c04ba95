"""Deadlines of one connection."""


class Deadlines:
    """When one connection was pinged, when it answered, and when its token ends.

    Monotonic seconds; `expires_at` is Unix seconds.
    """

    __slots__ = ("check_tick", "expires_at", "expiry_announced", "ping_at", "pong_at", "taken_at")

    def __init__(self, now: float, expires_at: float) -> None:
        self.ping_at = self.pong_at = self.taken_at = now
        """`pong_at`: the last sign of life; `taken_at`: when the peer was last seen to take bytes that waited for it."""
        self.check_tick = 0
        """The tick in which the heartbeat next checks the connection."""
        self.expires_at = expires_at
        self.expiry_announced = False

    def renew_token(self, expires_at: float) -> None:
        """The client has a newer token."""
        self.expires_at = expires_at
        self.expiry_announced = False
