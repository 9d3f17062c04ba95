"""The units of work: a push request is a message that needs a push, a push job is its notification to one device."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.notifier.decision import Receiver
from services.notifier.targets import Target
from shared.protocol import relay
from shared.rabbitmq import Delivery, acknowledge
from shared.tracing import parent_of


class AckCounter:
    """Acknowledges an AMQP message when all its jobs are done.

    The count begins at one, for the consumer, so that it can't reach zero while the message is unpacked.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._open = 1

    @property
    def trace(self) -> str | None:
        """Return the trace context (a traceparent) of the AMQP message; None without one, and when tracing is off."""
        return parent_of(delivery.headers for delivery in (self._delivery,))

    def add(self) -> None:
        """Count one more job."""
        self._open += 1

    def done(self) -> None:
        """Count one job as done: sent, given up, or handed back to the broker. The last one acknowledges."""
        self._open -= 1
        if self._open == 0:
            acknowledge(self._delivery)


@dataclass(frozen=True, slots=True)
class PushJob:
    """One notification: one message to one device of its receiver.

    `attempts`: earlier requests for it. `deferrals`: how often it was deferred without a request.
    """

    message: relay.Undelivered
    target: Target
    attempts: int = 0
    deferrals: int = 0

    @property
    def ids(self) -> dict[str, str]:
        """Return the ids of this job, for the log."""
        return {
            "message_id": self.message.message_id,
            "user_id": self.message.receiver_id,
            "target_id": self.target.id,
        }

    def after_attempt(self) -> relay.PushRetry:
        """Return the same job after one more request."""
        return relay.PushRetry(self.message, self.target.id, self.attempts + 1, self.deferrals)

    def after_deferral(self) -> relay.PushRetry:
        """Return the same job, deferred once more."""
        return relay.PushRetry(self.message, self.target.id, self.attempts, self.deferrals + 1)


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A message that needs a push: to one device, or to all of the receiver's devices (None)."""

    message: relay.Undelivered
    counter: AckCounter
    target_id: str | None = None
    attempts: int = 0
    deferrals: int = 0

    def jobs(self, targets: Iterable[Target]) -> list[PushJob]:
        """Return its jobs."""
        return [
            PushJob(self.message, target, self.attempts, self.deferrals)
            for target in targets
            if self.target_id in {None, target.id}
        ]

    def after_deferral(self) -> relay.PushRetry | relay.Undelivered:
        """Return the same request, deferred once more: for one device, or for all."""
        if self.target_id is None:
            return self.message
        return relay.PushRetry(self.message, self.target_id, self.attempts, self.deferrals + 1)


@dataclass(frozen=True, slots=True)
class ApprovedJob:
    """A job that was just decided again, with the receiver's current state and the device's current registration."""

    job: PushJob
    target: Target
    receiver: Receiver
