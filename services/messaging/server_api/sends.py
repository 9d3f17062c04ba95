"""Sends messages for the platform, with the same statement, events and pushes as for a client's command."""

from services.messaging.cycle import Cycle
from services.messaging.fanout.change_events import add_message_deleted
from services.messaging.fanout.event_builders import add_system_message
from services.messaging.fanout.fanout import Fanout
from services.messaging.handlers import SEND_ADVICE, Handlers
from services.messaging.stores.conversations import Conversations
from services.messaging.stores.messages import Messages
from services.messaging.stores.system_messages import SystemMessages
from shared.protocol.codec import json_encoder
from shared.protocol.errors import ErrorCode, ProtocolError
from shared.protocol.relay import SYSTEM_USER, CommandBatch, DeleteMessage, SendMessage
from shared.protocol.requests import Done, Sent


class Sends:
    """Sends as a user. Every method raises what asyncpg, redis and the publisher raise, and may be repeated after that."""

    def __init__(
        self,
        conversations: Conversations,
        messages: Messages,
        system: SystemMessages,
        handlers: Handlers,
        fanout: Fanout,
        cycle: Cycle,
    ) -> None:
        self._conversations = conversations
        self._messages = messages
        self._system = system
        self._handlers = handlers
        self._fanout = fanout
        self._cycle = cycle

    async def send(self, send: SendMessage, again: bool) -> Sent:
        """Store and announce a message.

        For a repeated `temp_id`, return the current message. Raises ProtocolError for a refusal. `again`: the message may be
        stored already without having been announced.
        """
        return await self._fanout.until_current(lambda repeated: self._send(send, again or repeated))

    async def take_down(self, conversation_id: str, seq: int, again: bool) -> Done:
        """Delete a message as its sender would. Raises ProtocolError when there is none."""
        return await self._fanout.until_current(
            lambda repeated: self._take_down(conversation_id, seq, again or repeated)
        )

    async def _send(self, send: SendMessage, again: bool) -> Sent:
        if send.user_id == SYSTEM_USER:
            return await self._send_system(send, again)
        effects = self._fanout.effects("")
        batch = CommandBatch("", 0, [send], again)
        (appended,) = await self._handlers.send([(batch, 0, send)], effects)
        if appended.verdict not in {"new", "repeated"}:
            raise ProtocolError(ErrorCode(appended.verdict), SEND_ADVICE.get(appended.verdict))
        await self._cycle.publish(effects)
        (message,) = await self._messages.at([(send.user_id, send.conversation_id, appended.seq)])
        # A redelivered request may be the one that stored it.
        created = appended.verdict == "new" or again
        return Sent(json_encoder.encode(message).decode(), created)

    async def _take_down(self, conversation_id: str, seq: int, again: bool) -> Done:
        span = await self._conversations.span(conversation_id)
        if span is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        found = await self._messages.at([(span.user_low, conversation_id, seq)])
        if not found:
            raise ProtocolError(ErrorCode.MESSAGE_NOT_FOUND)
        command = DeleteMessage(found[0].sender_id or SYSTEM_USER, "", conversation_id, seq, None)
        effects = self._fanout.effects("")
        if command.user_id == SYSTEM_USER:
            for deleted in await self._system.delete(conversation_id, seq):
                add_message_deleted(effects, command, deleted, again=again)
            await self._cycle.publish(effects)
            return Done()
        (verdict,) = await self._handlers.changes.delete([(CommandBatch("", 0, [command], again), 0, command)], effects)
        if verdict not in {"deleted", "repeated"}:
            raise ProtocolError(ErrorCode(verdict))
        await self._cycle.publish(effects)
        return Done()

    async def _send_system(self, send: SendMessage, again: bool) -> Sent:
        stored = await self._system.append(send, send.temp_id or "")
        if stored is None:
            raise ProtocolError(ErrorCode.CONVERSATION_NOT_FOUND)
        if stored.verdict not in {"new", "repeated"}:
            raise ProtocolError(ErrorCode(stored.verdict))
        (message,) = await self._messages.at([(stored.user_low, send.conversation_id, stored.seq)])
        if stored.verdict == "new" or again:
            effects = self._fanout.effects("")
            add_system_message(effects, send, message, stored)
            await self._cycle.publish(effects)
        return Sent(json_encoder.encode(message).decode(), stored.verdict == "new" or again)
