"""A push subscription: one browser of one user."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where its push service takes messages, and the keys to encrypt them with.

    `p256dh` is 65 bytes, `auth` 16; `key_id` names the VAPID key that the subscription was made for.
    """

    id: str
    user_id: str
    endpoint: str
    p256dh: bytes
    auth: bytes
    key_id: str
