"""Messages to the notifier, from other services and itself: undelivered messages, mutes, revoked tokens, retries."""

from typing import Final

import msgspec

from shared.protocol.relay.base import Relayed

MAX_PREVIEW_CHARACTERS: Final = 101
"""Code points of a message's text that are kept for a notification, which shows 100.

One more tells whether the hundredth ends a character as a reader counts them.
"""


class Undelivered(Relayed):
    """A stored message that its receiver may not have got.

    `preview`: the first `MAX_PREVIEW_CHARACTERS` of the content. While the message waits at the broker, they are in Redis instead
    (`keys.PREVIEW`), where a deletion can remove them, and this is `push.NEW_MESSAGE`. `silent_connections`: the connections that
    got it and gave no sign of life since; empty when there was no connection. `sender_name`: the display name; empty in messages
    of older replicas. A system message has no sender: `sender_id` and both names are empty.
    """

    message_id: str
    conversation_id: str
    seq: int
    sender_id: str
    sender_username: str
    receiver_id: str
    type: str
    preview: str
    created_at_ms: int
    silent_connections: list[str] = []
    sender_name: str = ""


class UndeliveredBatch(Relayed):
    """Undelivered messages. Messaging publishes them to a delay queue for the push delay; gateways have waited already."""

    messages: list[Undelivered]


class ConversationMuted(Relayed, tag_field="kind", tag="muted"):
    """The user gets no pushes for a conversation until `until_ms` (Unix ms; None: no longer muted).

    `version` rises with each change of the same user and conversation (Unix ms of the commit). The highest one counts.
    """

    user_id: str
    conversation_id: str
    until_ms: int | None
    version: int


class PushRevoked(Relayed, tag_field="kind", tag="revoked"):
    """The user's devices that were registered with a token issued up to `issued_until` (Unix seconds) get no more pushes."""

    user_id: str
    issued_until: float


NotifierEvent = ConversationMuted | PushRevoked


class NotifierEventBatch(Relayed):
    """Events for the notifier, in the queue `topology.NOTIFIER_EVENTS`."""

    events: list[NotifierEvent]


class PushRetry(Relayed):
    """A notification of one message to one push subscription that must be tried again.

    `attempts`: requests made so far. `deferrals`: how often it was deferred without a request.
    """

    message: Undelivered
    subscription_id: str
    attempts: int
    deferrals: int


class PushRetryBatch(Relayed):
    """Retries that are due at the same time."""

    retries: list[PushRetry]


undelivered_batch_decoder: Final = msgspec.msgpack.Decoder(UndeliveredBatch)
notifier_event_batch_decoder: Final = msgspec.msgpack.Decoder(NotifierEventBatch)
push_retry_batch_decoder: Final = msgspec.msgpack.Decoder(PushRetryBatch)
