"""Webhooks, for those who have something to tell: `events`, the `outbox` that takes them, the `signatures` of posts."""

from shared.webhooks.events import event
from shared.webhooks.outbox import NO_WEBHOOKS, Outbox
from shared.webhooks.signatures import Signer

__all__ = ["NO_WEBHOOKS", "Outbox", "Signer", "event"]
