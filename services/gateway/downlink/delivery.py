"""Delivery: hands each `relay.Downlink` to the connections that it names."""

from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec
import structlog

from services.gateway.downlink.undelivered import UndeliveredTracker
from services.gateway.session.hub import Hub
from services.gateway.transport.frames import Burst, text_frame
from services.gateway.uplink.publisher import CommandPublisher
from shared.protocol import relay
from shared.protocol.closing import CloseCode
from shared.tracing import name_ids, span

log = structlog.get_logger(__name__)

_user_of: Final = attrgetter("user_id")
_CLOSE_CODES: Final = {int(code): code for code in CloseCode}
"""A newer replica may order a code that this gateway doesn't know."""


class Deliverer:
    """Delivers downlinks. It runs for every message, so it uses no task and no lock, and doesn't parse events."""

    def __init__(self, hub: Hub, uplink: CommandPublisher, undelivered: UndeliveredTracker) -> None:
        self._hub = hub
        self._uplink = uplink
        self._undelivered = undelivered

    def on_downlink(self, body: bytes) -> str | None:
        """Deliver one downlink, and return its nonce. A downlink that can't be decoded is logged and dropped."""
        try:
            downlink = relay.downlink_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.error("downlink.undecodable", size=len(body), error=str(error))
            return None
        if downlink.trace:
            with span("gateway.deliver", "consumer", downlink.trace) as traced:
                name_ids(traced, user_ids=(event.user_id for event in downlink.durable_events))
                self._hand_out(downlink)
        else:
            self._hand_out(downlink)
        return downlink.nonce

    def _hand_out(self, downlink: relay.Downlink) -> None:
        for user_id, events in groupby(downlink.durable_events, _user_of):
            connections = self._hub.of_user(user_id)
            if connections:
                burst = Burst.framed(list(events))
                for connection in connections:
                    connection.deliver(burst)
            else:
                for event in events:
                    self._undelivered.no_connection(event)
        for transient in downlink.transient_events:
            self._send_transient(transient)
        for answer in downlink.connection_events:
            self._send_to_connection(answer)
        if downlink.completed:
            self._uplink.complete(downlink.completed)
        for order in downlink.close_orders:
            self._close(order)

    def _send_transient(self, transient: relay.TransientEvent) -> None:
        frame, since_ms = text_frame(transient.text.encode()), transient.since_ms
        for user_id in transient.user_ids:
            for connection in self._hub.of_user(user_id):
                if not since_ms or connection.began_ms <= since_ms:
                    connection.send_transient(frame, transient.about)

    def _send_to_connection(self, event: relay.ConnectionEvent) -> None:
        connection = self._hub.by_id.get(event.connection_id)
        if connection is not None:
            if event.bulk_parts:
                connection.send_bulk(event.text.encode(), event.bulk_parts)
            else:
                connection.send(event.text.encode())

    def _close(self, order: relay.CloseOrder) -> None:
        for connection in self._hub.of_user(order.user_id):
            if order.connection_id is not None and order.connection_id != connection.id:
                continue
            if order.issued_before is None or connection.issued_at <= order.issued_before:
                connection.close(_CLOSE_CODES.get(order.close_code, CloseCode.GOING_AWAY))
