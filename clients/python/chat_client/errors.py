"""The exceptions of this package.

ChatError
├── ServerError        the server refused a request, with a reason
├── ConnectionLost     the connection broke before the answer came; the outcome is unknown
├── ClientClosed       the client is closed: by the application, or by a server that refuses reconnects
├── EventsLost         a reader of `events()` fell too far behind
└── FrameTooBig        the frame is larger than the server accepts
"""

from typing import Any, Final

CLOSED: Final = "closed"
"""The reason of a ClientClosed after the application called `close`."""


class ChatError(Exception):
    """The root of all errors of this package."""


class ServerError(ChatError):
    """An error object of the protocol, over WebSocket or REST.

    `code` is one of the protocol, or `upload_failed` when the bytes of an upload were refused. `retryable`: the same request may
    succeed later, after `retry_after` seconds when that is set.
    `status` is the HTTP status, None over WebSocket. `ref` names the request that failed.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
        ref: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.status = status
        self.ref = ref or {}


class ConnectionLost(ChatError):
    """The connection broke before the answer came: the outcome is unknown."""


class ClientClosed(ChatError):
    """The client is closed permanently. `code` is the close code, or the HTTP status of a refused handshake, or None."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason if code is None else f"{reason} ({code})")
        self.reason = reason
        self.code = code

    @property
    def by_application(self) -> bool:
        """Return True when the application called `close`, False when the server ended it."""
        return self.reason == CLOSED


class EventsLost(ChatError):
    """A reader of `events()` was slower than the backlog allows, and has missed events."""


class FrameTooBig(ChatError):
    """The frame is larger than the server accepts (`maxMessageBytes`)."""


def error_of(frame: dict[str, Any], *, status: int | None = None, retry_after: float | None = None) -> ServerError:
    """Return the exception for an error object. An invalid object counts as `internal_error`."""
    detail = frame.get("error")
    if not isinstance(detail, dict):
        detail = {}
    retryable_status = status is not None and (status == 429 or status >= 500)
    ref = frame.get("ref")
    return ServerError(
        str(detail.get("code", "internal_error")),
        str(detail.get("message", "The server gave no reason")),
        retryable=bool(detail.get("retryable", retryable_status)),
        retry_after=detail.get("retryAfter", retry_after),
        status=status,
        ref=ref if isinstance(ref, dict) else None,
    )
