"""What services need to tell webhooks something: the `outbox` that they write into, and the `signatures` of posts."""

from shared.webhooks.outbox import Outbox
from shared.webhooks.signatures import Signer

__all__ = ["Outbox", "Signer"]
