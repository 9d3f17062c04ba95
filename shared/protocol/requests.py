"""Questions that one service asks another, with an answer: what the server API needs of the owners of the data.

A request is an AMQP message in the queue of the service that answers; the answer is one entry of a Redis list, which
expires. Any replica may answer, and a request may be carried out twice (a redelivery), so each is idempotent.
Fields may be added at the end, with defaults: then old and new replicas understand each other during a rollout.
"""

from typing import Final

import msgspec

from shared.protocol.relay import Relayed

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
    """Change the graph, at most `limits.MAX_FOLLOW_CHANGES` at once. Answered (`Done`) when live presence follows it.

    `announce` false: nobody is told now, as for an import.
    """

    changes: list[FollowChange]
    announce: bool = True


class EraseUser(Relayed, tag_field="kind", tag="erase"):
    """Remove some of what the service has about the user; answered with `Done`, whose `more` says to ask again."""

    user_id: str


class ExportUser(Relayed, tag_field="kind", tag="export"):
    """A page of all that the service has about the user, from behind `page` (as the last answer gave it)."""

    user_id: str
    page: str = ""


class Done(Relayed):
    """It is done; `more`: a part of it, the same request again does more."""

    more: bool = False


class ExportPage(Relayed):
    """`lines` are JSON objects. `next_page` is '' on the last page."""

    lines: list[str]
    next_page: str = ""


PresenceRequest = SetFollows | EraseUser | ExportUser
NotifierRequest = EraseUser | ExportUser


request_decoder: Final = msgspec.msgpack.Decoder(Request)
reply_decoder: Final = msgspec.msgpack.Decoder(Reply)
presence_request_decoder: Final = msgspec.msgpack.Decoder[PresenceRequest](PresenceRequest)
notifier_request_decoder: Final = msgspec.msgpack.Decoder[NotifierRequest](NotifierRequest)
