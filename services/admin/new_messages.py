"""Turns messages from the platform into commands for messaging, after checking them by the rules of `message.send`."""

import hashlib
from typing import Final
from uuid import uuid4

import msgspec

from services.admin.schemas import NewMessage
from shared.media_hosts import MediaHosts
from shared.protocol import limits
from shared.protocol.client import MessageSendPayload
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.payloads import SYSTEM_MESSAGE
from shared.protocol.relay import SYSTEM_USER, SendMessage
from shared.protocol.stored_event import size_fault

_CHECKED_AS: Final = "text"
"""The type whose rules apply to system messages."""


def command_of(
    conversation_id: str, body: NewMessage, idempotency_key: str | None, media_hosts: MediaHosts
) -> SendMessage:
    """Return the command for a body. Raises ProtocolError (validation_error) with a text that says what is wrong."""
    if (body.senderId is None) != (body.type == SYSTEM_MESSAGE):
        raise _invalid(f"senderId must be null exactly when type is {SYSTEM_MESSAGE}")
    given = body.model_dump(exclude={"senderId"}, exclude_none=True)
    given |= {"conversationId": conversation_id}
    if body.senderId is None:
        given["type"] = _CHECKED_AS
    try:
        payload = msgspec.convert(given, MessageSendPayload)
        media = json_encoder.encode(payload.media) if payload.media else None
        metadata = None if payload.metadata is None else json_encoder.encode(payload.metadata)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise _invalid(str(error)) from None
    field = media_hosts.fault(payload.media or ())
    fault = (
        size_fault(payload.content, media, metadata) if field is None else f"This URL is not allowed - at `$.{field}`"
    )
    if fault is not None:
        raise _invalid(fault)
    return SendMessage(
        body.senderId or SYSTEM_USER,
        "",
        payload.conversation_id.lower(),
        body.type,
        payload.content,
        media.decode() if media else None,
        payload.temp_id or _temp_id(idempotency_key),
        payload.reply_to,
        metadata.decode() if metadata else None,
    )


def _temp_id(idempotency_key: str | None) -> str:
    """Return an `Idempotency-Key` as a `tempId`: unchanged, or a hash when it is too long. Without one, return a random value."""
    if not idempotency_key:
        return f"admin-{uuid4()}"
    if len(idempotency_key) <= limits.MAX_TEMP_ID_CHARACTERS:
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[: limits.MAX_TEMP_ID_CHARACTERS]


def _invalid(reason: str) -> ProtocolError:
    return ProtocolError(ErrorCode.VALIDATION_ERROR, reason)
