"""Error answers to commands that failed."""

import time
from collections.abc import Iterable
from typing import Final

from services.gateway import metrics
from services.gateway.session.hub import Hub
from services.gateway.uplink.batches import bytes_of
from services.gateway.user_budgets import Budget
from shared.protocol import limits, relay
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ErrorEvent, error_event
from shared.protocol.references import reference_of

_TOO_MANY_WAITING: Final = "Too many requests wait for an answer"


class ErrorReplies:
    """Tells connections why a command failed, unless they have ended meanwhile."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def send_failed(self, commands: Iterable[relay.Command | relay.SetStatus], reason: str) -> None:
        """Answer `send_failed`: the outcome of these commands is unknown, or they could not be sent."""
        for command in commands:
            metrics.COMMANDS_FAILED.labels(reason).inc()
            retry_after = limits.SEND_RETRY_SECONDS
            self._reply(command, error_event(ErrorCode.SEND_FAILED, retry_after=retry_after, ref=reference_of(command)))

    def overrun(self, command: relay.Command) -> None:
        """Refuse a command because the connection has too many waiting."""
        metrics.RATE_LIMITED.labels("waiting").inc()
        message = None if isinstance(command, relay.SendMessage) else _TOO_MANY_WAITING
        event = error_event(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=1, ref=reference_of(command))
        self._reply(command, event)
        self._slow_down(command, time.monotonic())

    def rate_limited(
        self, command: relay.Command | relay.SetStatus, budget: Budget, retry_after: float, now: float
    ) -> None:
        """Refuse a command because the user's budget is used up for `retry_after` seconds."""
        metrics.RATE_LIMITED.labels(budget).inc()
        message = None if budget is Budget.MESSAGES else f"Too many {budget} in a minute"
        retry_after = round(retry_after, 3)
        event = error_event(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=retry_after, ref=reference_of(command))
        self._reply(command, event)
        if isinstance(command, relay.SendMessage) and command.connection_id in self._hub.by_id:
            # The budget is the user's: what the other connections send needs no question either.
            for each in self._hub.of_user(command.user_id):
                each.session.refuse_sends(retry_after, now)
            self._slow_down(command, now)

    def _slow_down(self, command: relay.Command, now: float) -> None:
        """Read nothing from the command's connection for a while when it was refused too much."""
        connection = self._hub.by_id.get(command.connection_id)
        reading = None if connection is None else connection.reading
        if connection is not None and reading and connection.session.count_refusal(now, bytes_of(command)):
            reading.pause()

    def _reply(self, command: relay.Command | relay.SetStatus, event: ErrorEvent) -> None:
        connection = self._hub.by_id.get(command.connection_id)
        if connection is not None:
            connection.send(json_encoder.encode(event))
