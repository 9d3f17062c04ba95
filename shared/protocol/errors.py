"""Error codes of the protocol: the default message of each, whether a retry helps, and the HTTP status."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec


class ErrorCode(StrEnum):
    """The value of `error.code`, the same for WebSocket and REST."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    VALIDATION_ERROR = "validation_error"
    UNKNOWN_EVENT = "unknown_event"
    NOT_FOUND = "not_found"
    CONVERSATION_NOT_FOUND = "conversation_not_found"
    BLOCKED = "blocked"
    USER_NOT_FOUND = "user_not_found"
    DUPLICATE_TEMP_ID = "duplicate_temp_id"
    MESSAGE_NOT_FOUND = "message_not_found"
    NOT_ALLOWED = "not_allowed"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    SEND_FAILED = "send_failed"
    INTERNAL_ERROR = "internal_error"
    UPLOAD_NOT_FOUND = "upload_not_found"
    UPLOAD_NOT_READY = "upload_not_ready"


@dataclass(frozen=True, slots=True)
class ErrorAdvice:
    """The default message of an error, its HTTP status, and whether the same request may succeed later."""

    message: str
    status: int
    retryable: bool = False


ADVICE: Final[dict[ErrorCode, ErrorAdvice]] = {
    ErrorCode.UNAUTHORIZED: ErrorAdvice("Authentication required", 401),
    ErrorCode.FORBIDDEN: ErrorAdvice("This origin is not allowed", 403),
    ErrorCode.UNAVAILABLE: ErrorAdvice("The service is busy or restarting; try again", 503, retryable=True),
    ErrorCode.VALIDATION_ERROR: ErrorAdvice("The request is not valid", 422),
    ErrorCode.UNKNOWN_EVENT: ErrorAdvice("Unknown event type", 422),
    ErrorCode.NOT_FOUND: ErrorAdvice("No such resource", 404),
    ErrorCode.CONVERSATION_NOT_FOUND: ErrorAdvice("No such conversation, or you are not a participant", 404),
    ErrorCode.BLOCKED: ErrorAdvice("You cannot send messages to this user", 403),
    ErrorCode.USER_NOT_FOUND: ErrorAdvice("No user has this name", 404),
    ErrorCode.DUPLICATE_TEMP_ID: ErrorAdvice("This tempId was used for a different message in this conversation", 409),
    ErrorCode.MESSAGE_NOT_FOUND: ErrorAdvice("No message has this seq, or it was deleted", 404),
    ErrorCode.NOT_ALLOWED: ErrorAdvice("You may read this message but not change it", 403),
    ErrorCode.RATE_LIMIT_EXCEEDED: ErrorAdvice("Too many messages", 429, retryable=True),
    ErrorCode.SEND_FAILED: ErrorAdvice("The outcome is unknown; send again with the same tempId", 503, retryable=True),
    ErrorCode.INTERNAL_ERROR: ErrorAdvice("Internal error", 500, retryable=True),
    ErrorCode.UPLOAD_NOT_FOUND: ErrorAdvice("No such upload: it is unknown, used, expired, or another user's", 404),
    ErrorCode.UPLOAD_NOT_READY: ErrorAdvice(
        "This upload is not ready: its bytes are missing, or still being checked", 409, retryable=True
    ),
}


class ErrorReference(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """The request that failed: its event type, and the ids by which the client knows it.

    Example: `{"type": "message.send", "tempId": "temp-123",
    "conversationId": "0190a1b2-0000-7000-8000-00000000c001"}`
    """

    type: str
    temp_id: str | None = None
    conversation_id: str | None = None


class ErrorDetail(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Code, human-readable message, and what to do. `retry_after` is in seconds."""

    code: ErrorCode
    message: str
    retryable: bool
    retry_after: float | msgspec.UnsetType = msgspec.UNSET


class ErrorEvent(msgspec.Struct, tag="error", tag_field="type", omit_defaults=True, frozen=True):
    """An error over either transport.

    Example: `{"type": "error", "error": {"code": "blocked", "message": "You cannot send messages to this user",
    "retryable": false}, "ref": {"type": "message.send", "tempId": "temp-123"}}`
    """

    error: ErrorDetail
    ref: ErrorReference | msgspec.UnsetType = msgspec.UNSET


def error_event(
    code: ErrorCode,
    message: str | None = None,
    *,
    retry_after: float | None = None,
    ref: ErrorReference | None = None,
) -> ErrorEvent:
    """Return the error object of `code`. Without `message`, it has the code's default message."""
    advice = ADVICE[code]
    detail = ErrorDetail(
        code,
        message or advice.message,
        advice.retryable,
        msgspec.UNSET if retry_after is None else retry_after,
    )
    return ErrorEvent(detail, msgspec.UNSET if ref is None else ref)


class ProtocolError(Exception):
    """A request is answered with an error of the protocol. The root of all errors that clients may see."""

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        *,
        retry_after: float | None = None,
        ref: ErrorReference | None = None,
    ) -> None:
        self.code = code
        self.event = error_event(code, message, retry_after=retry_after, ref=ref)
        super().__init__(f"{code}: {self.event.error.message}")

    @property
    def status(self) -> int:
        """Return the HTTP status of the code."""
        return ADVICE[self.code].status

    def builtins(self) -> dict[str, Any]:
        """Return the error object as plain dicts, for a JSON response."""
        return dict(msgspec.to_builtins(self.event))
