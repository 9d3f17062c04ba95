"""Commands other than sending: blocks, edits, deletions and reactions are answered; typing and status may be lost."""

import uuid
from typing import Any

from chat_client.errors import ConnectionLost
from chat_client.link import Link
from chat_client.requests import Requests
from chat_client.resources import Availability

Frame = dict[str, Any]


class Commands:
    """Commands over one connection. `user_id`: the user, None before the first connection."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._requests = Requests(link)
        self._active = True
        self.user_id: str | None = None

    async def ping(self, timestamp: float | str | None = None) -> Frame:
        """Ask for a `pong`, and return its payload. Raises ConnectionLost, TimeoutError."""
        return await self._requests.ask("ping", {"timestamp": timestamp}, "pong")

    async def block(self, username: str) -> str:
        """Block a user, and return since when. Raises ServerError (`user_not_found` …), ConnectionLost, TimeoutError."""
        who = {"username": username}
        return str((await self._requests.ask("block.add", who, "block.added", who))["blockedAt"])

    async def unblock(self, username: str) -> str:
        """Unblock a user, and return when. Raises ServerError, ConnectionLost, TimeoutError."""
        who = {"username": username}
        return str((await self._requests.ask("block.remove", who, "block.removed", who))["unblockedAt"])

    async def edit(self, conversation_id: str, seq: int, content: str) -> Frame:
        """Change the text of one of the user's messages. Returns the payload of `message.updated`.

        Raises ServerError, ConnectionLost, TimeoutError.
        """
        payload = {"conversationId": conversation_id.lower(), "seq": seq, "content": content}
        return await self._change("message.edit", payload, "message.updated")

    async def delete(self, conversation_id: str, seq: int) -> Frame:
        """Delete one of the user's messages for everybody.

        Returns the payload of `message.deleted`. Raises what `edit` raises.
        """
        return await self._change(
            "message.delete", {"conversationId": conversation_id.lower(), "seq": seq}, "message.deleted"
        )

    async def react(self, conversation_id: str, seq: int, emoji: str, active: bool = True) -> Frame:
        """Add or remove a reaction. Returns the payload of `reaction.updated`. Raises what `edit` raises."""
        reaction = {"conversationId": conversation_id.lower(), "seq": seq, "emoji": emoji}
        fields = {**reaction, "active": active, "userId": self.user_id}
        event_type = "reaction.add" if active else "reaction.remove"
        return await self._requests.ask(event_type, reaction, "reaction.updated", fields)

    async def typing(self, conversation_id: str, active: bool = True) -> None:
        """Show or end the typing indicator. Without a connection it is dropped, because a late indicator is useless."""
        await self._casual("typing.start" if active else "typing.stop", {"conversationId": conversation_id})

    async def set_presence(self, availability: Availability) -> None:
        """Set this device's status. It is set again after reconnects."""
        self._link.availability = availability
        await self._casual("presence.set", {"status": availability})

    async def set_active(self, active: bool) -> None:
        """Tell whether the user looks at this client.

        While it is inactive, the user gets push notifications although it is connected. It is sent again after reconnects.
        """
        self._active = active
        await self._casual("client.state", {"active": active})

    async def _restore(self) -> None:
        """Send the status and the activity again, on a new connection."""
        if self._link.availability != "online":
            await self.set_presence(self._link.availability)
        if not self._active:
            await self.set_active(False)

    async def _casual(self, event_type: str, payload: Frame) -> None:
        """Send a frame that may be lost."""
        try:
            await self._link.send(event_type, payload)
        except ConnectionLost:
            return

    async def _change(self, event_type: str, payload: Frame, answer_type: str) -> Frame:
        temp_id = {"tempId": uuid.uuid4().hex}
        return await self._requests.ask(event_type, payload | temp_id, answer_type, temp_id)
