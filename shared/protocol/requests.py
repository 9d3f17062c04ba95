"""Requests between services, with replies: the server API asks the services that own the data.

A request is an AMQP message in the queue of the answering service. The reply is one entry of a Redis list with a TTL. Any replica
may answer. A request may be carried out twice (after a redelivery), so each is idempotent. New fields go at the end, with
defaults, so that old and new replicas understand each other during a rollout.
"""

from typing import Final

import msgspec

from shared.protocol.relay import Relayed, SendMessage

MAX_REPLY_BYTES: Final = 4 * 1024 * 1024
"""The largest reply. Larger results are returned page by page."""
REPLY_SECONDS: Final = 60
"""TTL of a reply."""
FINISH_SECONDS: Final = 300
"""A request that was begun is finished, if need be by another replica, until so long after nobody waits for its reply.

What it stored must be announced: a message that the platform sent, or the deletion of one.
"""


class Reply(Relayed):
    """A reply. `code` is an error code of the protocol, or '' after success; then `body` is msgpack."""

    code: str = ""
    message: str = ""
    body: bytes = b""


class Request(Relayed):
    """A request. `reply_to` names the Redis list for the reply. After `expires_at_ms` (Unix ms) nobody waits for it or begins it.

    `body` is msgpack of one of the structs of the answering service.
    """

    reply_to: str
    expires_at_ms: int
    body: bytes


# --- admin → presence ---------------------------------------------------------------------------------------------


class FollowChange(Relayed):
    """Store that `follower` follows `followee`, or delete that."""

    follower: str
    followee: str
    follows: bool


class SetFollows(Relayed, tag_field="kind", tag="follows"):
    """Change the follow graph, with at most `limits.MAX_FOLLOW_CHANGES` changes.

    Answered with `Imported`, when live presence shows it. `announce` false: users are not told, as in an import.
    """

    changes: list[FollowChange]
    announce: bool = True


class EraseUser(Relayed, tag_field="kind", tag="erase"):
    """Delete a part of the service's data of the user, from `page` (of the last reply) on. Answered with `Done`."""

    user_id: str
    page: str = ""


class ExportUser(Relayed, tag_field="kind", tag="export"):
    """Read a page of the service's data of the user, after `page` (of the last reply). Answered with `ExportPage`."""

    user_id: str
    page: str = ""


class Imported(Relayed):
    """Whether each given item is new, in order."""

    new: list[bool]


class Done(Relayed):
    """It is done. `more`: only a part is done; the same request with this `page` continues."""

    more: bool = False
    page: str = ""


class ExportPage(Relayed):
    """`lines` are JSON objects. `next_page` is '' on the last page."""

    lines: list[str]
    next_page: str = ""


# --- admin → messaging --------------------------------------------------------------------------------------------


class OpenConversation(Relayed, tag_field="kind", tag="open"):
    """Open the direct conversation of two different existing users; create it when it doesn't exist. Answered with `Opened`."""

    user_ids: tuple[str, str]


class Opened(Relayed):
    """A conversation, as JSON. `created`: this request created it."""

    conversation: str
    created: bool


class SendAs(Relayed, tag_field="kind", tag="send"):
    """Send a message as its user, or as the system (user '' and type `system`). Answered with `Sent`.

    Its `temp_id` is always set; without one from the caller, the server API makes it.
    """

    send: SendMessage


class Sent(Relayed):
    """The current message, as JSON. `created`: this request created it, and not an earlier one with its `temp_id`."""

    message: str
    created: bool


class TakeDown(Relayed, tag_field="kind", tag="takedown"):
    """Delete a message as its sender would. Answered with `Done`."""

    conversation_id: str
    seq: int


class ListReports(Relayed, tag_field="kind", tag="reports"):
    """Read reports, newest first, of one state or ('') of all, after `page`. Answered with `ReportList`."""

    state: str
    page: str
    limit: int


class SetReportState(Relayed, tag_field="kind", tag="report"):
    """Change the state of a report. Answered with a `ReportList` with only this report."""

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
    """Store messages in this order, without events, and create missing conversations. Answered with `Imported`."""

    messages: list[ImportedMessage]


class ImportConversations(Relayed, tag_field="kind", tag="import_conversations"):
    """Create conversations: the two users, and the time (Unix ms). Answered with `Imported`."""

    conversations: list[tuple[str, str, int]]


class ReadMessages(Relayed, tag_field="kind", tag="read"):
    """Read a page of a conversation's messages, by ascending seq.

    Answered with `Messages`. `forward`: those after `seq`; else the last ones before it, or the newest when it is 0.
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
