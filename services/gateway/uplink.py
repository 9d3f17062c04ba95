"""Commands on their way to messaging: natural batches, at most two publishes at a time.

A connection has at most one batch under way; what it says meanwhile waits with it and leaves together, in order.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from services.gateway import metrics
from services.gateway.rates import MessageRates
from shared.pace import Pace
from shared.protocol import limits, relay
from shared.protocol.codec import msgpack_encoder
from shared.protocol.topology import MESSAGING_COMMANDS
from shared.rabbitmq import TRANSIENT_ERRORS, BrokerUnavailable, Publisher

if TYPE_CHECKING:
    from services.gateway.connection import Connection
    from services.gateway.refusals import Refusals

log = structlog.get_logger(__name__)

LANES: Final = 2
"""Publishes in flight at once."""
MAX_WAITING: Final = 64
"""Commands of one connection that may wait for its batch under way."""
ANSWER_SECONDS: Final = 10.0
"""A command without answer for so long is answered with send_failed: its outcome is unknown."""


@dataclass(slots=True)
class Flight:
    """A batch that messaging hasn't completed. `at` is monotonic seconds."""

    members: list["Connection"]
    commands: list[relay.Command]
    at: float


class Uplink:
    """The commands of all connections. Run `LANES` times `run_lane`."""

    def __init__(
        self, gateway_id: str, publisher: Publisher, rates: MessageRates, refusals: "Refusals", pace: Pace
    ) -> None:
        self._gateway_id = gateway_id
        self._publisher = publisher
        self._rates = rates
        self._refusals = refusals
        self._pace = pace
        self._ready: deque[Connection] = deque()
        self._flights: dict[int, Flight] = {}
        self._last_batch = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._waking = False

    @property
    def quiet(self) -> bool:
        """True when nothing waits and nothing is under way."""
        return not self._ready and not self._flights

    def submit(self, connection: "Connection", command: relay.Command, now: float) -> None:
        """Send a command of `connection` with the next batch that may have it."""
        commands = connection.commands
        if len(commands) >= MAX_WAITING:
            self._refusals.overrun(command)
            return
        commands.append(command)
        if len(commands) == 1:
            connection.commands_since = now
            if connection.flight is None:
                self._enqueue(connection)

    def complete(self, batch_ids: Iterable[int]) -> None:
        """Messaging is done with these batches; unknown ones were given up."""
        now = time.monotonic()
        for batch_id in batch_ids:
            flight = self._flights.pop(batch_id, None)
            if flight is not None:
                for connection in flight.members:
                    metrics.ACK_LATENCY.observe(now - connection.flight_since)
                self._release(flight)

    def expire(self, now: float) -> None:
        """Give up what has waited too long. Call it every second or so."""
        for batch_id, flight in list(self._flights.items()):
            if now - flight.at < ANSWER_SECONDS:
                # Batches are numbered in the order in which they left.
                break
            self._fail(batch_id, "unanswered")
        while self._ready and now - self._ready[0].commands_since >= ANSWER_SECONDS:
            connection = self._ready.popleft()
            stale, connection.commands = connection.commands, []
            self._refusals.send_failed(stale, "unsent")

    async def run_lane(self) -> None:
        """Publish batch after batch. Never returns."""
        while True:
            if not self._ready:
                await self._sleep()
                continue
            pause = self._pace.pause(time.monotonic())
            if pause:
                await asyncio.sleep(pause)
            batch_id = self._take()
            if batch_id is not None:
                await self._send(batch_id)

    # --- parts ---------------------------------------------------------------------------------------------------------

    def _enqueue(self, connection: "Connection") -> None:
        self._ready.append(connection)
        if self._idle and not self._waking:
            self._waking = True
            self._idle.popleft().set_result(None)

    async def _sleep(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(future)
        try:
            await future
        finally:
            self._waking = False

    def _take(self) -> int | None:
        """Form the next batch of whole connections, and count it as under way."""
        members: list[Connection] = []
        commands: list[relay.Command] = []
        batch_id = self._last_batch + 1
        while self._ready and len(commands) + len(self._ready[0].commands) <= limits.MAX_COMMANDS_PER_BATCH:
            connection = self._ready.popleft()
            commands += connection.commands
            connection.commands.clear()
            connection.flight = batch_id
            connection.flight_since = connection.commands_since
            members.append(connection)
        if not members:
            return None
        now = time.monotonic()
        self._last_batch = batch_id
        self._flights[batch_id] = Flight(members, commands, now)
        self._pace.observe(len(commands), now)
        metrics.BATCHES_IN_FLIGHT.set(len(self._flights))
        return batch_id

    async def _send(self, batch_id: int) -> None:
        flight = self._flights[batch_id]
        try:
            allowed = await self._rates.admit(flight.commands)
            flight.commands = allowed
            if allowed:
                metrics.BATCH_COMMANDS.observe(len(allowed))
                batch = relay.CommandBatch(self._gateway_id, batch_id, allowed)
                await self._publisher.publish(MESSAGING_COMMANDS, msgpack_encoder.encode(batch))
            else:
                self._flights.pop(batch_id, None)
                self._release(flight)
        except BrokerUnavailable:
            self._fail(batch_id, "broker unavailable")
        except TRANSIENT_ERRORS as error:
            log.warning("uplink.publish_failed", commands=len(flight.commands), error=repr(error))
            self._fail(batch_id, "publish failed")

    def _fail(self, batch_id: int, reason: str) -> None:
        """Answer a batch's commands with send_failed: whether it was stored is unknown."""
        flight = self._flights.pop(batch_id, None)
        if flight is not None:
            self._refusals.send_failed(flight.commands, reason)
            self._release(flight)

    def _release(self, flight: Flight) -> None:
        metrics.BATCHES_IN_FLIGHT.set(len(self._flights))
        for connection in flight.members:
            connection.flight = None
            if connection.commands:
                self._enqueue(connection)
