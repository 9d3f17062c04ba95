"""Deadlines of connections: pings, pongs, expiring tokens, writes that hang. One sweep checks all; there are no timers."""

import math
import time
from collections.abc import Callable
from typing import Final

from services.gateway.session.connection import Connection
from services.gateway.transport.send_buffer import WRITE_SECONDS
from shared.protocol import limits, payloads, server
from shared.protocol.closing import CloseCode
from shared.protocol.codec import instant_of_ms, json_encoder

TICK_SECONDS: Final = 0.25
"""Resolution of the deadlines."""
LOOK_SECONDS: Final = 1.0
"""How often a connection is checked while its peer reads more slowly than we write."""


class Timetable:
    """Connections by the tick in which they are checked next."""

    def __init__(self) -> None:
        self._ticks: dict[int, list[Connection]] = {}
        self._swept = 0

    def plan(self, connection: Connection, at: float) -> None:
        """Check `connection` at `at` (monotonic seconds), or in the first sweep after it."""
        tick = max(math.ceil(at / TICK_SECONDS), self._swept + 1)
        connection.deadlines.check_tick = tick
        self._ticks.setdefault(tick, []).append(connection)

    def due(self, now: float) -> list[Connection]:
        """Return the connections that are due, each once, without those that were planned again meanwhile."""
        newest = math.floor(now / TICK_SECONDS)
        if newest - self._swept > len(self._ticks):
            # The first sweep, or the first since there was no connection.
            ticks = sorted(tick for tick in self._ticks if tick <= newest)
        else:
            ticks = [tick for tick in range(self._swept + 1, newest + 1) if tick in self._ticks]
        self._swept = newest
        return [
            connection
            for tick in ticks
            for connection in self._ticks.pop(tick)
            if connection.deadlines.check_tick == tick
        ]


class Heartbeat:
    """Pings connections, and closes those that don't answer, don't read, or whose token has ended."""

    def __init__(self, ping_seconds: float, pong_seconds: float, wall_clock: Callable[[], float] = time.time) -> None:
        self._ping_seconds = ping_seconds
        self._pong_seconds = pong_seconds
        self._wall_clock = wall_clock
        self._timetable = Timetable()

    def plan(self, connection: Connection) -> None:
        """Check an open connection at its next deadline. Call it again when a deadline has moved nearer."""
        now, wall, deadlines = time.monotonic(), self._wall_clock(), connection.deadlines
        notice = 0 if deadlines.expiry_announced else limits.TOKEN_EXPIRING_SECONDS
        due = [deadlines.pong_at + self._pong_seconds, now + deadlines.expires_at - wall - notice]
        # A peer that doesn't read gets no ping. Instead, it must take bytes that were written.
        due.append(deadlines.ping_at + self._ping_seconds if connection.paused_at is None else now + LOOK_SECONDS)
        self._timetable.plan(connection, min(due))

    def sweep(self, now: float) -> None:
        """Check the connections that are due."""
        for connection in self._timetable.due(now):
            if connection.is_open:
                self._check(connection, now)

    def _check(self, connection: Connection, now: float) -> None:
        deadlines = connection.deadlines
        left = deadlines.expires_at - self._wall_clock()
        if connection.took_any():
            # Its pongs come after all that it still has to read. Bytes that it takes show that it is alive.
            deadlines.taken_at = deadlines.pong_at = now
        if left <= 0:
            connection.close(CloseCode.TOKEN_EXPIRED)
        elif connection.paused_at is not None and now - max(connection.paused_at, deadlines.taken_at) >= WRITE_SECONDS:
            connection.close(CloseCode.SLOW_CONSUMER)
        elif now - deadlines.pong_at >= self._pong_seconds:
            connection.close(CloseCode.PONG_TIMEOUT)
        else:
            self._announce_end(connection, left)
            if now - deadlines.ping_at >= self._ping_seconds and connection.ping():
                deadlines.ping_at = now
            self.plan(connection)

    def _announce_end(self, connection: Connection, left: float) -> None:
        """Send `auth.expiring` once, when the token expires in less than a minute; `status.bulk` comes first."""
        deadlines = connection.deadlines
        if left <= limits.TOKEN_EXPIRING_SECONDS and not deadlines.expiry_announced and connection.has_bulk:
            deadlines.expiry_announced = True
            ends = payloads.AuthPayload(instant_of_ms(int(deadlines.expires_at * 1000)))
            connection.send(json_encoder.encode(server.AuthExpiring(ends)))
