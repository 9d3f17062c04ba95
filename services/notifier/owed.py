"""What is owed: AMQP messages hold messages that are due, and each of those is owed to some browsers."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.notifier.subscriptions import Subscription
from shared.protocol import relay
from shared.rabbitmq import Delivery, acknowledge


class Parcel:
    """An AMQP message under work, acknowledged when every notification in it is settled.

    Counts what is open. Begins with one for whoever unpacks it, so that it can't be settled meanwhile.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._open = 1

    def add(self) -> None:
        """One more notification of it is under way."""
        self._open += 1

    async def settle(self) -> None:
        """One is done: sent, given up, or handed back to the broker."""
        self._open -= 1
        if self._open == 0:
            acknowledge(self._delivery)


@dataclass(frozen=True, slots=True)
class Owed:
    """One message, one browser of its receiver.

    `attempts`: requests made for it before. `deferrals`: how often it was put off without one.
    """

    message: relay.Undelivered
    subscription: Subscription
    attempts: int = 0
    deferrals: int = 0

    def after_attempt(self) -> relay.PushRetry:
        """The same, after one more request."""
        return relay.PushRetry(self.message, self.subscription.id, self.attempts + 1, self.deferrals)

    def after_deferral(self) -> relay.PushRetry:
        """The same, put off once more."""
        return relay.PushRetry(self.message, self.subscription.id, self.attempts, self.deferrals + 1)


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is due for a push: to one subscription, or to each that its receiver has (None)."""

    message: relay.Undelivered
    parcel: Parcel
    subscription_id: str | None = None
    attempts: int = 0
    deferrals: int = 0

    def owed_to(self, subscriptions: Iterable[Subscription]) -> list[Owed]:
        """The notifications that come of it."""
        return [
            Owed(self.message, subscription, self.attempts, self.deferrals)
            for subscription in subscriptions
            if self.subscription_id in {None, subscription.id}
        ]
