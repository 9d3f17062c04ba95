"""What a user does that is answered by an event: blocks, edits, deletions, reactions."""

import uuid
from typing import Any

from chat_client.requests import Requests

Frame = dict[str, Any]


class Commands:
    """Commands over one connection. `user_id`: who it belongs to, None before the first connection."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.user_id: str | None = None

    async def ping(self, timestamp: float | str | None = None) -> Frame:
        """Ask for a `pong`, and return its payload. Raises ConnectionLost, TimeoutError."""
        return await self._requests.ask("ping", {"timestamp": timestamp}, "pong")

    async def block(self, username: str) -> str:
        """Block a user; since when. Raises ServerError (`user_not_found` …), ConnectionLost, TimeoutError."""
        who = {"username": username}
        return str((await self._requests.ask("block.add", who, "block.added", who))["blockedAt"])

    async def unblock(self, username: str) -> str:
        """Unblock a user; since when. Raises ServerError, ConnectionLost, TimeoutError."""
        who = {"username": username}
        return str((await self._requests.ask("block.remove", who, "block.removed", who))["unblockedAt"])

    async def edit(self, conversation_id: str, seq: int, content: str) -> Frame:
        """Change the text of an own message; the payload of `message.updated`.

        Raises ServerError, ConnectionLost, TimeoutError.
        """
        payload = {"conversationId": conversation_id.lower(), "seq": seq, "content": content}
        return await self._change("message.edit", payload, "message.updated")

    async def delete(self, conversation_id: str, seq: int) -> Frame:
        """Delete an own message for everybody; the payload of `message.deleted`. Raises as `edit`."""
        return await self._change(
            "message.delete", {"conversationId": conversation_id.lower(), "seq": seq}, "message.deleted"
        )

    async def react(self, conversation_id: str, seq: int, emoji: str, active: bool = True) -> Frame:
        """Add a reaction, or take it back; the payload of `reaction.updated`. Raises as `edit`."""
        reaction = {"conversationId": conversation_id.lower(), "seq": seq, "emoji": emoji}
        fields = {**reaction, "active": active, "userId": self.user_id}
        event_type = "reaction.add" if active else "reaction.remove"
        return await self._requests.ask(event_type, reaction, "reaction.updated", fields)

    async def _change(self, event_type: str, payload: Frame, answer_type: str) -> Frame:
        temp_id = {"tempId": uuid.uuid4().hex}
        return await self._requests.ask(event_type, payload | temp_id, answer_type, temp_id)
