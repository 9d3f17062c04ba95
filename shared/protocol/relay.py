"""What services tell each other: commands and events in AMQP messages, and what goes down to a gateway by Redis pub/sub.

All of it is msgpack of arrays: small, quick (0.3 µs a command), and read by Redis' Lua as it is. Ids are UUIDs as text.
Fields may be added at the end, with defaults: then old and new replicas understand each other during a rollout.
"""

from typing import Any, Final, get_args

import msgspec

from shared.protocol import inbox
from shared.protocol.payloads import has_uploads


class Relayed(msgspec.Struct, array_like=True):
    """Base of everything that crosses an internal wire."""


SYSTEM_USER: Final = "00000000-0000-0000-0000-000000000000"
"""The sender of system messages (the nil UUID, RFC 9562, section 5.9). To the outside it is null."""


# --- gateway → messaging ------------------------------------------------------------------------------------------


class SendMessage(Relayed, tag_field="kind", tag="send"):
    """Store a message and deliver it. `media` is the JSON text of the list, checked, or None.

    `reply_to`: the seq of the quoted message. `metadata`: the JSON text of an object, checked, or None.
    `rejected`: why moderation refuses it; messaging sets it for itself.
    """

    user_id: str
    connection_id: str
    conversation_id: str
    type: str
    content: str | None
    media: str | None
    temp_id: str | None
    reply_to: int | None = None
    metadata: str | None = None
    rejected: str | None = None


class MarkRead(Relayed, tag_field="kind", tag="read"):
    """The user has read everything up to `seq` (None: all that the user could see at `at_ms`).

    `at_ms`: Unix ms when the gateway took the frame; 0 from older gateways.
    """

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int | None
    at_ms: int = 0


class MarkDelivered(Relayed, tag_field="kind", tag="delivered"):
    """A device of the user has everything up to `seq`. Unless its client is `active`, that holds back no push."""

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    active: bool = True


class SetBlock(Relayed, tag_field="kind", tag="block"):
    """Block (`blocked` true) or unblock the user of this name, or, with `by_id`, of this id.

    `at_ms`: Unix ms when the gateway took the frame; 0 from older gateways. Of two about the same pair, the later counts,
    whichever is handled last.
    """

    user_id: str
    connection_id: str
    username: str
    blocked: bool
    at_ms: int = 0
    by_id: bool = False


class EditMessage(Relayed, tag_field="kind", tag="edit"):
    """Replace the content of an own message. `rejected`: as in `SendMessage`."""

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    content: str
    temp_id: str | None
    rejected: str | None = None


class DeleteMessage(Relayed, tag_field="kind", tag="delete"):
    """Delete an own message for everybody."""

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    temp_id: str | None


class SetReaction(Relayed, tag_field="kind", tag="reaction"):
    """Put an emoji on a message (`active` true), or take it back.

    `at_ms`: Unix ms when the gateway took the frame. Of two about the same emoji, the later counts, whichever is handled last.
    """

    user_id: str
    connection_id: str
    conversation_id: str
    seq: int
    emoji: str
    active: bool
    temp_id: str | None
    at_ms: int = 0


Change = EditMessage | DeleteMessage | SetReaction
"""A command that changes a stored message."""
Command = SendMessage | MarkRead | MarkDelivered | SetBlock | EditMessage | DeleteMessage | SetReaction


def needs_changes_queue(command: Command) -> bool:
    """True for a command that version 0.1.0 doesn't know, and for what takes longer than messages do: a change of a block.

    Version 0.1.0 would store a send with an upload as it came, without what the upload is.
    """
    if isinstance(command, SendMessage):
        newer = command.reply_to is not None or command.metadata is not None or command.type == "custom"
        return newer or has_uploads(command.media)
    return not isinstance(command, MarkRead | MarkDelivered)


class CommandBatch(Relayed):
    """What one gateway had to say at once. `batch_id` comes back in `Downlink.completed` when all of it is done.

    A connection's commands stand in the order in which they came, and it has no other batch under way.

    `again`: it may have been stored before, and nobody been told. Whoever handles it sets this.
    """

    gateway_id: str
    batch_id: int
    commands: list[Command]
    again: bool = False


ENDS_NOTHING: Final = 1
"""`Typing.at_ms` of an end that was told before anything began: who asked hears when the conversation is none of theirs."""


class Typing(Relayed):
    """The user began (`active`) or ended to type in a conversation.

    `at_ms`: Unix ms by the gateway's clock, rising with each signal; of an end by silence, that of the last beginning.
    An end counts for all that began up to then. `connection_id`: the connection that asked; '' when the gateway ends it
    by itself.
    """

    user_id: str
    conversation_id: str
    active: bool
    at_ms: int = 0
    connection_id: str = ""


class SignalBatch(Relayed):
    """Typing signals of one gateway; lost when nobody takes them within two seconds."""

    signals: list[Typing]
    gateway_id: str = ""


# --- gateway, messaging → presence --------------------------------------------------------------------------------


class Connected(Relayed, tag_field="kind", tag="connected"):
    """A connection lives. Answered with `status.bulk` to that connection. `at_ms`: Unix ms by the gateway's clock.

    `status`: the availability with which a new device came, or ''.
    """

    user_id: str
    connection_id: str
    gateway_id: str
    at_ms: int
    status: str = ""


class Disconnected(Relayed, tag_field="kind", tag="disconnected"):
    """A connection ended: by a close handshake or by us (`clean`), or it was lost.

    `certain` False: another gateway says so of one that died; a renewal proves the opposite.
    """

    user_id: str
    connection_id: str
    clean: bool
    at_ms: int
    certain: bool = True


class SetStatus(Relayed, tag_field="kind", tag="status"):
    """A device's availability: online, away or busy. `at_ms`: Unix ms by the gateway's clock; of two the later counts."""

    user_id: str
    connection_id: str
    status: str
    at_ms: int = 0


class BlockChanged(Relayed, tag_field="kind", tag="blocked"):
    """`blocker` blocks `blocked` or not. Of two about the same pair, the higher `version` counts."""

    blocker: str
    blocked: str
    active: bool
    version: int


class ProfileChanged(Relayed, tag_field="kind", tag="profile"):
    """A user's profile changed: friends are told, and the `partners`, who talked with it of late and whom no block parts from it.

    Travels in a batch of its own: a replica of an older release can't read it, and sets that batch aside.
    """

    user_id: str
    username: str
    display_name: str
    avatar: str | None
    partners: list[str]


PresenceCommand = Connected | Disconnected | SetStatus | BlockChanged | ProfileChanged


class PresenceBatch(Relayed):
    """Commands for presence, in order for each connection."""

    commands: list[PresenceCommand]


class DirectPresence(Relayed):
    """A script of presence that Redis has loaded, and that a gateway may run on its commands instead of sending them.

    Its arguments are `settings` as they are, now in Unix milliseconds, and a `PresenceBatch` without blocks and profiles. It
    returns the places of commands that presence must carry out.
    """

    sha: str
    settings: bytes


class LeaseRenewal(Relayed):
    """These connections of a gateway live: (user id, connection id). At most 800 in one."""

    gateway_id: str
    at_ms: int
    connections: list[tuple[str, str]]


# --- messaging, gateway → notifier --------------------------------------------------------------------------------


MAX_PREVIEW_CHARACTERS: Final = 400
"""Code points of a message's text that go with a notification: room for 100 characters as a reader counts them."""


class Undelivered(Relayed):
    """A stored message that its receiver may not have got.

    `preview`: the first `MAX_PREVIEW_CHARACTERS` of the content. While the message waits at the broker, these are in Redis
    (`keys.PREVIEW`), where a deletion reaches them; `push.NEW_MESSAGE` stands for them here. `silent_connections`: the
    connections that it was written to and that showed no sign of life since; empty when there was no connection at all.
    `sender_name`: the display name; empty in messages of older replicas. A system message has no sender: `sender_id` and both
    names are empty.
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
    """Undelivered messages. Messaging sends them to wait for the push delay; gateways have waited already."""

    messages: list[Undelivered]


class ConversationMuted(Relayed, tag_field="kind", tag="muted"):
    """The user gets no pushes for a conversation until `until_ms` (Unix ms; None: no longer muted).

    `version` rises with each change of the same user and conversation, such as Unix ms of the commit: the highest counts.
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


# --- notifier → notifier ------------------------------------------------------------------------------------------


class PushRetry(Relayed):
    """A notification of one message to one push subscription that is still owed.

    `attempts`: requests made so far. `deferrals`: how often it was put off without a request.
    """

    message: Undelivered
    subscription_id: str
    attempts: int
    deferrals: int


class PushRetryBatch(Relayed):
    """Retries that are due at the same time."""

    retries: list[PushRetry]


# --- messaging, presence → gateway (Redis pub/sub) ----------------------------------------------------------------


class DurableEvent(Relayed):
    """A durable event for every connection of a user. `text` is its JSON as far as messaging wrote it; what only Redis knew
    goes behind it: the user's unread `total`, when the event ends with it, and the cursor.

    `offset` is its place in the user's inbox: one more than the one before. `notifiable`: it is a `message.new`. `tag`: of
    the script call that put it there.
    """

    user_id: str
    offset: int
    notifiable: bool
    text: str
    tag: str
    total: int | None = None

    @property
    def json(self) -> str:
        """The whole event."""
        return inbox.event_json(self.text, self.total, f"{self.offset}-{self.tag}")


class TransientEvent(Relayed):
    """An event for every connection of some users, which may be shed: typing and presence.

    `about`: whose presence it tells, '' for typing. `since_ms`: Unix ms; connections that began later don't get it.
    """

    user_ids: list[str]
    text: str
    about: str = ""
    since_ms: int = 0


class ConnectionEvent(Relayed):
    """An event for one connection: errors, `status.bulk`, `block.added` …

    `bulk_parts`: of a `status.bulk`, in how many parts the whole comes; else 0.
    """

    connection_id: str
    text: str
    bulk_parts: int = 0


class CloseOrder(Relayed):
    """Tells a gateway to close connections with a close code.

    `connection_id` None means every connection of the user; with `issued_before` (Unix s) only those whose token is older.
    """

    close_code: int
    user_id: str
    connection_id: str | None = None
    issued_before: float | None = None


class Downlink(Relayed):
    """All that one gateway gets from one cycle.

    `trace`: the traceparent of what sent it, or ''. `nonce`: the gateway's own sign that the link works.
    """

    durable_events: list[DurableEvent] = []
    transient_events: list[TransientEvent] = []
    connection_events: list[ConnectionEvent] = []
    completed: list[int] = []
    trace: str = ""
    close_orders: list[CloseOrder] = []
    nonce: str | None = None


def is_newer(body: bytes) -> bool:
    """True for a batch of commands that has the shape of one, but a kind of command that this version doesn't know."""
    try:
        _gateway_id, _batch_id, commands, *_ = msgspec.msgpack.decode(body, type=list[Any])
        kinds = {command[0] for command in commands}
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError, KeyError, UnicodeDecodeError):
        return False
    return all(isinstance(kind, str) for kind in kinds) and not kinds <= _COMMAND_KINDS


_COMMAND_KINDS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Command))
command_batch_decoder: Final = msgspec.msgpack.Decoder(CommandBatch)
signal_batch_decoder: Final = msgspec.msgpack.Decoder(SignalBatch)
presence_batch_decoder: Final = msgspec.msgpack.Decoder(PresenceBatch)
direct_presence_decoder: Final = msgspec.msgpack.Decoder(DirectPresence)
lease_renewal_decoder: Final = msgspec.msgpack.Decoder(LeaseRenewal)
undelivered_batch_decoder: Final = msgspec.msgpack.Decoder(UndeliveredBatch)
notifier_event_batch_decoder: Final = msgspec.msgpack.Decoder(NotifierEventBatch)
push_retry_batch_decoder: Final = msgspec.msgpack.Decoder(PushRetryBatch)
downlink_decoder: Final = msgspec.msgpack.Decoder(Downlink)
