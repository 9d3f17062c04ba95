"""Brings live events and events of the inbox to one connection, in order and without repeats."""

from typing import Generic, TypeVar

from services.gateway import metrics
from services.gateway.registry.connections import RecoveryResult
from services.gateway.session.gateway import Gateway
from services.gateway.session.inbox_position import InboxPosition
from services.gateway.transport.frames import Burst, text_frame
from services.gateway.transport.send_buffer import SendBuffer

C = TypeVar("C")
"""`Connection`, which this module can't import: it imports this one."""


class InboxFollower(InboxPosition, Generic[C]):
    """Writes events to a connection as the peer takes them.

    Events for which a slow peer has no room stay in the inbox. It is read in parts, each when the peer has taken the one before.
    """

    __slots__ = ("_connection", "_gateway")

    def __init__(self, gateway: Gateway[C], connection: C) -> None:
        super().__init__()
        self._gateway = gateway
        self._connection = connection

    def deliver(self, send_buffer: SendBuffer | None, burst: Burst) -> None:
        """Write live events that the client doesn't have; hold them when one before them is missing.

        `send_buffer` is None before the connection is open.
        """
        events = burst.events
        first, last = events[0].offset, events[-1].offset
        if self.held is not None:
            if not self.hold(events):
                self._remember_unseen(burst)
        elif self.follows(events[0]):
            if send_buffer is not None:
                self._write(send_buffer, burst)
        elif first > self.offset:
            self.hold(events)
            self._gateway.read_inbox(self._connection)
        elif last > self.offset:
            newer = [event for event in events if event.offset > self.offset]
            self.deliver(send_buffer, Burst.framed(newer))

    def go_on(self, send_buffer: SendBuffer, recovery_result: RecoveryResult) -> None:
        """Write what was read from the inbox. Then ask for its next part, or write the live events that were held."""
        if recovery_result.events and send_buffer.paused_at is not None:
            # The inbox is read again when the peer has taken everything.
            self.fall_behind()
            return
        self._replay(send_buffer, recovery_result)
        if recovery_result.more or self.behind:
            self.fall_behind()
            if send_buffer.paused_at is None:
                self._gateway.read_inbox(self._connection)
            return
        for event in self.release():
            self.deliver(send_buffer, Burst.framed([event]))
        self._repeat_presence_if_shed(send_buffer)

    def on_resumed(self, send_buffer: SendBuffer) -> None:
        """The peer has read everything that was written: send the events that were left out."""
        if self.behind:
            self._gateway.read_inbox(self._connection)
        else:
            self._repeat_presence_if_shed(send_buffer)

    def _replay(self, send_buffer: SendBuffer, recovery_result: RecoveryResult) -> None:
        events = recovery_result.events
        if events:
            metrics.EVENTS_OUT.counts["replayed"] += len(events)
            # A part of an inbox is about as large as the transport's buffer, which is empty now.
            send_buffer.write_at_once(b"".join(map(text_frame, events)))
            self._gateway.note_replayed(self._connection, events)
        self.move_to(recovery_result.offset, recovery_result.tag)

    def _write(self, send_buffer: SendBuffer, burst: Burst) -> None:
        """Write as many events as there is room for."""
        count = send_buffer.write_durable(burst.frames)
        if count:
            newest = burst.events[count - 1]
            self.move_to(newest.offset, newest.tag)
            metrics.EVENTS_OUT.counts["durable"] += count
        if count < len(burst.events):
            self.fall_behind()
        self._remember_unseen(burst)

    def _remember_unseen(self, burst: Burst) -> None:
        """Watch messages, whether they were written or not: one that the peer doesn't confirm needs a push."""
        messages = [text for event, text in zip(burst.events, burst.texts, strict=True) if event.notifiable]
        if messages:
            self._gateway.note_unseen(self._connection, messages)

    def _repeat_presence_if_shed(self, send_buffer: SendBuffer) -> None:
        """Ask for a new `status.bulk` when the peer has caught up and presence events were shed."""
        if self.held is None and send_buffer.take_shed():
            self._gateway.repeat_presence(self._connection)
