"""A notification that is owed: one message, one browser of its receiver."""

from dataclasses import dataclass

from services.notifier.subscription import Subscription
from shared.protocol import relay


@dataclass(frozen=True, slots=True)
class Owed:
    """`attempts`: requests made for it before. `deferrals`: how often it was put off without one."""

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
