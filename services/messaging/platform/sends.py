"""Sends messages for the platform: the same statement, events and pushes as for a client's command."""

from services.messaging.cycle import Cycle
from services.messaging.fanout.fanout import Fanout
from services.messaging.handlers import Handlers
from services.messaging.stores.messages import Messages
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.relay import CommandBatch, SendMessage
from shared.protocol.requests import Sent


class Sends:
    """Sends as a user. Every method raises what asyncpg, redis and the publisher raise, and may be repeated after that."""

    def __init__(self, messages: Messages, handlers: Handlers, fanout: Fanout, cycle: Cycle) -> None:
        self._messages = messages
        self._handlers = handlers
        self._fanout = fanout
        self._cycle = cycle

    async def send(self, send: SendMessage, again: bool) -> Sent:
        """Store and announce; of a repeated `temp_id` the message as it stands. Raises ProtocolError for a refusal.

        `again`: it may be stored already while its receiver wasn't told.
        """
        effects = self._fanout.effects("")
        batch = CommandBatch("", 0, [send], again)
        (appended,) = await self._handlers.send([(batch, 0, send)], effects)
        if appended.verdict not in {"new", "repeated"}:
            raise ProtocolError(ErrorCode(appended.verdict))
        await self._cycle.publish(effects)
        (message,) = await self._messages.at([(send.user_id, send.conversation_id, appended.seq)])
        # A request that comes again may be the one that stored it.
        created = appended.verdict == "new" or again
        return Sent(json_encoder.encode(message).decode(), created)
