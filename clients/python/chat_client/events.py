"""Events for the application: the server's frames unchanged, and two events of the client itself.

`type` determines an event's shape: after `if event["type"] == "message.new":` a type checker knows the payload.
"""

from typing import Literal

from typing_extensions import TypedDict

from chat_client.wire import ServerEvent


class ConnectionLostPayload(TypedDict):
    """`code` is a close code, an HTTP status of a refused handshake, or None when the server wasn't reached."""

    code: int | None
    reason: str
    retryInSeconds: float


class ConnectionLostEvent(TypedDict):
    """Made by the client: the connection broke, and the client will reconnect."""

    type: Literal["connection.lost"]
    payload: ConnectionLostPayload


class MessagesMissingPayload(TypedDict):
    """The messages with `afterSeq` < seq < `beforeSeq`."""

    conversationId: str
    afterSeq: int
    beforeSeq: int


class MessagesMissing(TypedDict):
    """Made by the client: a gap could not be filled by REST. Later messages follow nevertheless."""

    type: Literal["messages.missing"]
    payload: MessagesMissingPayload


Event = ServerEvent | ConnectionLostEvent | MessagesMissing
"""Any event. Types that this version doesn't know are passed on unchanged too.

An `error` that answers `send`, `edit`, `delete`, `react`, `block` or `unblock` is raised there as well.
"""
