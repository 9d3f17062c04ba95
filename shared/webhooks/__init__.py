"""Webhooks, for services that have events: `events`, the `outbox` that stores them, and the `signatures` of posts."""

from shared.webhooks.events import event
from shared.webhooks.outbox import NO_WEBHOOKS, Outbox
from shared.webhooks.signatures import Signer

__all__ = ["NO_WEBHOOKS", "Outbox", "Signer", "event"]
