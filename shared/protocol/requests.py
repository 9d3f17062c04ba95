"""Questions that one service asks another, with an answer: what the server API needs of the owners of the data.

A request is an AMQP message in the queue of the service that answers; the answer is one entry of a Redis list, which
expires. Any replica may answer, and a request may be carried out twice (a redelivery), so each is idempotent.
Fields may be added at the end, with defaults: then old and new replicas understand each other during a rollout.
"""

from typing import Final

import msgspec

from shared.protocol.relay import Relayed, SendMessage

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024
"""The largest answer; whoever has more to say answers page by page."""
REPLY_SECONDS: Final = 60
"""How long an answer waits for whoever asked."""


class Reply(Relayed):
    """The answer. `code` is an error code of the contract, or '' when all went well; then `body` is msgpack."""

    code: str = ""
    message: str = ""
    body: bytes = b""


class Request(Relayed):
    """A question. `reply_to` names the Redis list that takes the answer; after `expires_at_ms` (Unix ms) nobody waits.

    `body` is msgpack of one of the structs that the answering service knows.
    """

    reply_to: str
    expires_at_ms: int
    body: bytes


# --- admin → presence ---------------------------------------------------------------------------------------------


class FollowChange(Relayed):
    """`follower` is to follow `followee`, or not to."""

    follower: str
    followee: str
    follows: bool


class SetFollows(Relayed, tag_field="kind", tag="follows"):
    """Change the graph, at most `limits.MAX_FOLLOW_CHANGES` at once. Answered (`Imported`) when live presence follows it.

    `announce` false: nobody is told now, as for an import.
    """

    changes: list[FollowChange]
    announce: bool = True


class EraseUser(Relayed, tag_field="kind", tag="erase"):
    """Remove some of what the service has about the user, from `page` on (as the last answer gave it). Answered with `Done`."""

    user_id: str
    page: str = ""


class ExportUser(Relayed, tag_field="kind", tag="export"):
    """A page of all that the service has about the user, from behind `page` (as the last answer gave it)."""

    user_id: str
    page: str = ""


class Imported(Relayed):
    """For each that was given: whether it is new."""

    new: list[bool]


class Done(Relayed):
    """It is done; `more`: a part of it, the same request with this `page` does more."""

    more: bool = False
    page: str = ""


class ExportPage(Relayed):
    """`lines` are JSON objects. `next_page` is '' on the last page."""

    lines: list[str]
    next_page: str = ""


# --- admin → messaging --------------------------------------------------------------------------------------------


class OpenConversation(Relayed, tag_field="kind", tag="open"):
    """The direct conversation of two different users who are known; made when it isn't there. Answered with `Opened`."""

    user_ids: tuple[str, str]


class Opened(Relayed):
    """A conversation, as JSON; `created`: by this request."""

    conversation: str
    created: bool


class SendAs(Relayed, tag_field="kind", tag="send"):
    """Send a message as its user, or as the system (user '' and type `system`). Answered with `Sent`.

    Its `temp_id` is always set: without one of the caller's own, the server API made it.
    """

    send: SendMessage


class Sent(Relayed):
    """The message as it stands, as JSON; `created`: by this request, and not by an earlier one with its `temp_id`."""

    message: str
    created: bool


class TakeDown(Relayed, tag_field="kind", tag="takedown"):
    """Delete a message as its sender would. Answered with `Done`."""

    conversation_id: str
    seq: int


class ListReports(Relayed, tag_field="kind", tag="reports"):
    """Reports, newest first, of one state or ('') of all, from behind `page`. Answered with `ReportList`."""

    state: str
    page: str
    limit: int


class SetReportState(Relayed, tag_field="kind", tag="report"):
    """Change the state of a report. Answered with a `ReportList` of it alone."""

    report_id: str
    state: str


class ReportList(Relayed):
    """Reports as JSON. `next_page` is '' on the last page."""

    reports: list[str]
    next_page: str = ""


class ImportedMessage(Relayed):
    """A message with its own time (Unix ms). `media` and `metadata` are JSON texts, checked."""

    users: tuple[str, str]
    sender_id: str
    type: str
    content: str | None
    media: str | None
    metadata: str | None
    created_at_ms: int
    temp_id: str


class ImportMessages(Relayed, tag_field="kind", tag="import"):
    """Store messages in this order, silently; conversations are made where there are none. Answered with `Imported`."""

    messages: list[ImportedMessage]


class ImportConversations(Relayed, tag_field="kind", tag="import_conversations"):
    """Make conversations: the two users, and when (Unix ms). Answered with `Imported`."""

    conversations: list[tuple[str, str, int]]


class ReadMessages(Relayed, tag_field="kind", tag="read"):
    """A page of messages, ascending, of a conversation. Answered with `Messages`.

    `forward`: those behind `seq`; else the last ones before it, or the newest when it is 0.
    """

    conversation_id: str
    seq: int
    forward: bool
    limit: int


class Messages(Relayed):
    """Messages as JSON, and the conversation's first and last seq."""

    messages: list[str]
    last_seq: int
    first_seq: int = 1


PresenceRequest = SetFollows | EraseUser | ExportUser
NotifierRequest = EraseUser | ExportUser
MessagingRequest = (
    OpenConversation
    | SendAs
    | ReadMessages
    | TakeDown
    | ListReports
    | SetReportState
    | ImportMessages
    | ImportConversations
    | EraseUser
    | ExportUser
)


request_decoder: Final = msgspec.msgpack.Decoder(Request)
reply_decoder: Final = msgspec.msgpack.Decoder(Reply)
presence_request_decoder: Final = msgspec.msgpack.Decoder[PresenceRequest](PresenceRequest)
notifier_request_decoder: Final = msgspec.msgpack.Decoder[NotifierRequest](NotifierRequest)
messaging_request_decoder: Final = msgspec.msgpack.Decoder[MessagingRequest](MessagingRequest)
