"""Messages between services: commands and events over AMQP, and downlinks to gateways over Redis pub/sub.

All of them are msgpack arrays: small, fast (0.3 µs a command), and readable by Redis' Lua. Ids are UUIDs as text.
New fields go at the end, with defaults, so that old and new replicas understand each other during a rollout.

commands   gateway → messaging
presence   gateway, messaging → presence
pushes     messaging, gateway → notifier; notifier → notifier
downlink   messaging, presence → gateway (Redis pub/sub)
"""

from shared.protocol.relay.base import SYSTEM_USER, Relayed
from shared.protocol.relay.commands import (
    ENDS_NOTHING,
    Change,
    Command,
    CommandBatch,
    DeleteMessage,
    EditMessage,
    MarkDelivered,
    MarkRead,
    SendMessage,
    SetBlock,
    SetReaction,
    SignalBatch,
    Typing,
    command_batch_decoder,
    is_newer,
    needs_changes_queue,
    signal_batch_decoder,
)
from shared.protocol.relay.downlink import (
    CloseOrder,
    ConnectionEvent,
    Downlink,
    DurableEvent,
    TransientEvent,
    downlink_decoder,
)
from shared.protocol.relay.presence import (
    BlockChanged,
    Connected,
    DirectPresence,
    Disconnected,
    LeaseRenewal,
    PresenceBatch,
    PresenceCommand,
    ProfileChanged,
    SetStatus,
    direct_presence_decoder,
    lease_renewal_decoder,
    presence_batch_decoder,
)
from shared.protocol.relay.pushes import (
    MAX_PREVIEW_CHARACTERS,
    ConversationMuted,
    NotifierEvent,
    NotifierEventBatch,
    PushRetry,
    PushRetryBatch,
    PushRevoked,
    Undelivered,
    UndeliveredBatch,
    notifier_event_batch_decoder,
    push_retry_batch_decoder,
    undelivered_batch_decoder,
)

__all__ = [
    "ENDS_NOTHING",
    "MAX_PREVIEW_CHARACTERS",
    "SYSTEM_USER",
    "BlockChanged",
    "Change",
    "CloseOrder",
    "Command",
    "CommandBatch",
    "Connected",
    "ConnectionEvent",
    "ConversationMuted",
    "DeleteMessage",
    "DirectPresence",
    "Disconnected",
    "Downlink",
    "DurableEvent",
    "EditMessage",
    "LeaseRenewal",
    "MarkDelivered",
    "MarkRead",
    "NotifierEvent",
    "NotifierEventBatch",
    "PresenceBatch",
    "PresenceCommand",
    "ProfileChanged",
    "PushRetry",
    "PushRetryBatch",
    "PushRevoked",
    "Relayed",
    "SendMessage",
    "SetBlock",
    "SetReaction",
    "SetStatus",
    "SignalBatch",
    "TransientEvent",
    "Typing",
    "Undelivered",
    "UndeliveredBatch",
    "command_batch_decoder",
    "direct_presence_decoder",
    "downlink_decoder",
    "is_newer",
    "lease_renewal_decoder",
    "needs_changes_queue",
    "notifier_event_batch_decoder",
    "presence_batch_decoder",
    "push_retry_batch_decoder",
    "signal_batch_decoder",
    "undelivered_batch_decoder",
]
