"""The rules of one connection, without I/O: a frame and the time go in, actions come out. Text frames are parsed here."""

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from services.gateway import metrics
from services.gateway.rate_limit import Flood, RateLimit
from services.gateway.session.actions import (
    Action,
    Close,
    PauseReading,
    Pong,
    RefreshToken,
    Reply,
    SetActive,
)
from services.gateway.session.references import TYPES, lenient_reference, reference_in, reference_to
from shared.media_hosts import MediaHosts
from shared.protocol import client, limits, payloads, relay, server
from shared.protocol.closing import CloseCode
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ErrorReference, error_event
from shared.protocol.stored_event import size_fault

TOO_MANY_EVENTS: Final = "Too many events"
MAX_REFUSALS: Final = 100
"""Refusals within a second; above it, the client has to wait."""
REFUSED_BYTES: Final = 1_024
"""A refused frame counts once more for each of these bytes: a refused frame of 24 KB costs as much to read as an accepted one."""


class Session:
    """Decides what each frame of one connection means, and whether it is allowed. `now` is monotonic seconds."""

    __slots__ = (
        "_frame_bytes",
        "_media_hosts",
        "_rate_limit",
        "_refusals",
        "_refused_until",
        "_unknown_frames",
        "active",
        "connection_id",
        "user_id",
        "wall_clock",
    )

    def __init__(
        self,
        user_id: str,
        connection_id: str,
        rate_limit: RateLimit,
        media_hosts: MediaHosts,
        wall_clock: Callable[[], float],
    ) -> None:
        self.user_id = user_id
        self.connection_id = connection_id
        self.wall_clock = wall_clock
        self._rate_limit = rate_limit
        self._media_hosts = media_hosts
        self._unknown_frames = 0
        self._frame_bytes = 0
        self._refusals = Flood(MAX_REFUSALS)
        self._refused_until = 0.0
        self.active = True

    def on_frame(self, data: bytes, now: float) -> tuple[Action, ...]:
        """Parse a text frame, and return what to do about it."""
        self._frame_bytes = len(data)
        try:
            frame = client.frame_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return self._on_malformed(data, str(error), now)
        kind = type(frame)
        metrics.EVENTS_IN.counts[TYPES[kind]] += 1
        self._unknown_frames = 0
        if kind is not client.MessageSend:
            wait = self._rate_limit.take(now)
            if wait:
                return self._too_many(TOO_MANY_EVENTS, wait, reference_to(frame), now)
        return _RULES[kind](self, frame, now)

    def on_binary(self, now: float) -> tuple[Action, ...]:
        """Return what to do about a binary frame."""
        return self._on_unknown(ErrorCode.VALIDATION_ERROR, "Binary frames are not part of the protocol", None, now)

    def refuse_sends(self, retry_after: float, now: float) -> None:
        """Refuse sends for `retry_after` seconds without asking Redis again, because the user's budget is used up."""
        self._refused_until = now + retry_after

    def count_refusal(self, now: float, size: int) -> bool:
        """Count a frame of `size` bytes that a rate limit refused. True when the client has sent too many of them."""
        return self._refusals.exceeded(now, 1 + size // REFUSED_BYTES)

    # --- rules, one for each type -------------------------------------------------------------------------------------

    def _on_send(self, frame: client.MessageSend, now: float) -> tuple[Action, ...]:
        if now < self._refused_until:
            # First: what is refused anyway is not checked.
            return self._too_many(None, self._refused_until - now, reference_to(frame), now)
        payload = frame.payload
        media = metadata = None
        if payload.media is not None or payload.metadata is not None:
            # Text alone, which most messages are, always fits.
            field = self._media_hosts.fault(payload.media or ())
            if field is not None:
                reason = f"This URL is not allowed - at `$.payload.{field}`"
                return self._refuse(ErrorCode.VALIDATION_ERROR, reason, reference_to(frame), now)
            media = json_encoder.encode(payload.media) if payload.media else None
            metadata = None if payload.metadata is None else json_encoder.encode(payload.metadata)
            too_large = size_fault(payload.content, media, metadata)
            if too_large is not None:
                return self._refuse(ErrorCode.VALIDATION_ERROR, too_large, reference_to(frame), now)
        return (
            relay.SendMessage(
                self.user_id,
                self.connection_id,
                payload.conversation_id.lower(),
                payload.type,
                payload.content,
                media.decode() if media else None,
                payload.temp_id,
                payload.reply_to,
                None if metadata is None else metadata.decode(),
            ),
        )

    def _on_read(self, frame: client.MessageRead, _now: float) -> tuple[Action, ...]:
        payload = frame.payload
        place = (self.user_id, self.connection_id, payload.conversation_id.lower())
        return (relay.MarkRead(*place, payload.seq, 0 if payload.seq else self._at_ms()),)

    def _on_delivered(self, frame: client.MessageDelivered, _now: float) -> tuple[Action, ...]:
        payload = frame.payload
        conversation_id = payload.conversation_id.lower()
        return (relay.MarkDelivered(self.user_id, self.connection_id, conversation_id, payload.seq, self.active),)

    def _on_edit(self, frame: client.MessageEdit, _now: float) -> tuple[Action, ...]:
        payload = frame.payload
        place = (self.user_id, self.connection_id, payload.conversation_id.lower(), payload.seq)
        return (relay.EditMessage(*place, payload.content, payload.temp_id),)

    def _on_delete(self, frame: client.MessageDelete, _now: float) -> tuple[Action, ...]:
        payload = frame.payload
        place = (self.user_id, self.connection_id, payload.conversation_id.lower(), payload.seq)
        return (relay.DeleteMessage(*place, payload.temp_id),)

    def _on_reaction_add(self, frame: client.ReactionAdd, _now: float) -> tuple[Action, ...]:
        return (self._reaction(frame.payload, active=True),)

    def _on_reaction_remove(self, frame: client.ReactionRemove, _now: float) -> tuple[Action, ...]:
        return (self._reaction(frame.payload, active=False),)

    def _reaction(self, payload: client.ReactionPayload, *, active: bool) -> relay.SetReaction:
        place = (self.user_id, self.connection_id, payload.conversation_id.lower(), payload.seq)
        return relay.SetReaction(*place, payload.emoji, active, payload.temp_id, self._at_ms())

    def _at_ms(self) -> int:
        """Return when the frame came: Unix ms by Redis' clock, which all gateways share."""
        return int(self.wall_clock() * 1000)

    def _set_block(self, user: client.UserPayload, *, blocked: bool) -> relay.SetBlock:
        by_id = user.user_id is not None
        name = user.username if user.user_id is None else user.user_id.lower()
        return relay.SetBlock(self.user_id, self.connection_id, name or "", blocked, self._at_ms(), by_id)

    def _on_block_add(self, frame: client.BlockAdd, _now: float) -> tuple[Action, ...]:
        return (self._set_block(frame.payload, blocked=True),)

    def _on_block_remove(self, frame: client.BlockRemove, _now: float) -> tuple[Action, ...]:
        return (self._set_block(frame.payload, blocked=False),)

    def _on_typing_start(self, frame: client.TypingStart, _now: float) -> tuple[Action, ...]:
        return (self._typing(frame.payload, active=True),)

    def _on_typing_stop(self, frame: client.TypingStop, _now: float) -> tuple[Action, ...]:
        return (self._typing(frame.payload, active=False),)

    def _typing(self, payload: client.ConversationPayload, *, active: bool) -> relay.Typing:
        conversation_id = payload.conversation_id.lower()
        return relay.Typing(self.user_id, conversation_id, active, connection_id=self.connection_id)

    def _on_presence_set(self, frame: client.PresenceSet, _now: float) -> tuple[Action, ...]:
        at_ms = int(self.wall_clock() * 1000)
        return (relay.SetStatus(self.user_id, self.connection_id, frame.payload.status, at_ms),)

    def _on_ping(self, frame: client.Ping, _now: float) -> tuple[Action, ...]:
        pong = server.Pong(payloads.PongPayload(int(self.wall_clock()), frame.payload.timestamp))
        return (Pong(json_encoder.encode(pong)),)

    def _on_client_state(self, frame: client.ClientState, _now: float) -> tuple[Action, ...]:
        if frame.payload.active is self.active:
            return ()
        self.active = frame.payload.active
        return (SetActive(self.active),)

    def _on_auth_refresh(self, frame: client.AuthRefresh, _now: float) -> tuple[Action, ...]:
        return (RefreshToken(frame.payload.token),)

    # --- refusals --------------------------------------------------------------------------------------------------------

    def _on_malformed(self, data: bytes, reason: str, now: float) -> tuple[Action, ...]:
        """Find out which error a frame that can't be decoded deserves, and its reference."""
        try:
            envelope = client.envelope_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            reference = lenient_reference(data)
            answer = self._on_unknown if reference is None else self._on_invalid
            return answer(ErrorCode.VALIDATION_ERROR, reason, reference, now)
        reference = reference_in(envelope)
        if envelope.type in client.FRAMES:
            return self._on_invalid(ErrorCode.VALIDATION_ERROR, reason, reference, now)
        return self._on_unknown(ErrorCode.UNKNOWN_EVENT, f"Unknown event type: {reference.type}", reference, now)

    def _on_invalid(
        self, code: ErrorCode, message: str, reference: ErrorReference | None, now: float
    ) -> tuple[Action, ...]:
        """Answer a frame of a known type whose payload is wrong."""
        self._unknown_frames = 0
        return self._refuse(code, message, reference, now)

    def _on_unknown(
        self, code: ErrorCode, message: str, reference: ErrorReference | None, now: float
    ) -> tuple[Action, ...]:
        """Answer a frame that isn't an object with a known `type`. Too many of them in a row end the connection."""
        self._unknown_frames += 1
        answer = self._refuse(code, message, reference, now)
        if self._unknown_frames >= limits.MAX_BAD_FRAMES_IN_A_ROW:
            return (*answer, Close(CloseCode.POLICY_VIOLATION))
        return answer

    def _refuse(
        self, code: ErrorCode, message: str, reference: ErrorReference | None, now: float
    ) -> tuple[Action, ...]:
        """Answer a frame that can't be carried out."""
        metrics.EVENTS_IN.counts[metrics.MALFORMED] += 1
        wait = self._rate_limit.take(now)
        if wait:
            return self._too_many(TOO_MANY_EVENTS, wait, reference, now)
        return (Reply(json_encoder.encode(error_event(code, message, ref=reference))),)

    def _too_many(
        self, message: str | None, wait: float, reference: ErrorReference | None, now: float
    ) -> tuple[Action, ...]:
        metrics.RATE_LIMITED.labels("messages" if message is None else "events").inc()
        retry_after = math.ceil(wait * 1000) / 1000
        event = error_event(ErrorCode.RATE_LIMIT_EXCEEDED, message, retry_after=retry_after, ref=reference)
        reply = Reply(json_encoder.encode(event))
        return (reply, PauseReading()) if self.count_refusal(now, self._frame_bytes) else (reply,)


_RULES: Final[dict[type[Any], Callable[[Session, Any, float], tuple[Action, ...]]]] = {
    client.MessageSend: Session._on_send,
    client.MessageRead: Session._on_read,
    client.MessageDelivered: Session._on_delivered,
    client.BlockAdd: Session._on_block_add,
    client.BlockRemove: Session._on_block_remove,
    client.TypingStart: Session._on_typing_start,
    client.TypingStop: Session._on_typing_stop,
    client.PresenceSet: Session._on_presence_set,
    client.Ping: Session._on_ping,
    client.AuthRefresh: Session._on_auth_refresh,
    client.MessageEdit: Session._on_edit,
    client.MessageDelete: Session._on_delete,
    client.ReactionAdd: Session._on_reaction_add,
    client.ReactionRemove: Session._on_reaction_remove,
    client.ClientState: Session._on_client_state,
}
