"""The REST side of the service, with the same token as the socket.

Every call raises ServerError with the server's reason, and ConnectionLost when there was no answer.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import httpx

from chat_client.advice import full_jitter, parse_retry_after
from chat_client.errors import ConnectionLost, ServerError, error_of
from chat_client.resources import (
    Block,
    Conversation,
    Friend,
    Message,
    Page,
    PushSubscription,
    Unread,
    UploadedMedia,
    User,
    UserStatus,
)
from chat_client.tokens import Tokens
from chat_client.uploads import Progress, Source, upload

TIMEOUT_SECONDS: Final = 15.0
ATTEMPTS: Final = 3
MAX_PAGE: Final = 100

Query = dict[str, str | int | list[str] | None]


class Rest:
    """Typed calls. After 429 and 503 a call is retried, after `Retry-After` and with jitter, at most twice."""

    def __init__(self, url: str, tokens: Tokens, http: httpx.AsyncClient | None = None) -> None:
        self._tokens = tokens
        self._http = http or httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def open_conversation(self, *, username: str | None = None, user_id: str | None = None) -> Conversation:
        """Return the direct conversation with a user; it is created when there is none. Give the username or the id."""
        body = {"username": username} if user_id is None else {"userId": user_id}
        return cast("Conversation", await self.call("POST", "/chat/conversations", body=body))

    async def conversations(self, *, limit: int = 50, page: str | None = None) -> Page[Conversation]:
        """Return one page of the user's conversations, newest first."""
        query: Query = {"limit": limit, "page": page}
        return cast("Page[Conversation]", await self.call("GET", "/chat/conversations", query=query))

    async def all_conversations(self) -> AsyncIterator[Conversation]:
        """Yield every conversation of the user, newest first, page by page."""
        page: str | None = None
        while True:
            answer = await self.conversations(limit=MAX_PAGE, page=page)
            for conversation in answer["items"]:
                yield conversation
            page = answer["nextPage"]
            if page is None:
                return

    async def conversation(self, conversation_id: str) -> Conversation:
        """Return one conversation."""
        return cast("Conversation", await self.call("GET", f"/chat/conversations/{quote(conversation_id)}"))

    async def messages(
        self, conversation_id: str, *, after_seq: int | None = None, before_seq: int | None = None, limit: int = 50
    ) -> list[Message]:
        """Return messages sorted by seq: the oldest after `after_seq`, the newest before `before_seq`, or the newest of all."""
        query: Query = {"afterSeq": after_seq, "beforeSeq": before_seq, "limit": limit}
        path = f"/chat/conversations/{quote(conversation_id)}/messages"
        answer = cast("Page[Message]", await self.call("GET", path, query=query))
        return sorted(answer["items"], key=lambda message: message["seq"])

    async def unread(self) -> Unread:
        """Return the unread counts."""
        return cast("Unread", await self.call("GET", "/chat/unread"))

    async def blocks(self) -> list[Block]:
        """Return the users whom the user blocks."""
        return cast("list[Block]", await self._list("/chat/blocks"))

    async def me(self) -> User:
        """Return the user's profile."""
        return cast("User", await self.call("GET", "/chat/users/me"))

    async def update_me(self, **changes: str | None) -> User:
        """Change `displayName` or `avatar`."""
        return cast("User", await self.call("PATCH", "/chat/users/me", body=changes))

    async def follow(self, username: str) -> None:
        """Follow a user: two who follow each other are friends, and see each other's status."""
        await self.call("PUT", f"/chat/follows/{quote(username, safe='')}")

    async def unfollow(self, username: str) -> None:
        """Unfollow a user."""
        await self.call("DELETE", f"/chat/follows/{quote(username, safe='')}")

    async def friends(self) -> list[Friend]:
        """Return mutual follows with their status."""
        return cast("list[Friend]", await self._list("/chat/friends"))

    async def presence(self, *user_ids: str) -> list[UserStatus]:
        """Return the statuses of at most 100 users, only of friends."""
        return cast("list[UserStatus]", await self._list("/chat/presence", {"userId": list(user_ids)}))

    async def push_key(self) -> str:
        """Return the VAPID public key, base64url, for `applicationServerKey` of a browser's subscription."""
        return str((await self.call("GET", "/chat/push/key"))["publicKey"])

    async def subscribe_push(self, subscription: PushSubscription) -> None:
        """Register a browser's push subscription."""
        await self.call("PUT", "/chat/push/subscriptions", body=subscription)

    async def unsubscribe_push(self, endpoint: str) -> None:
        """Delete a push subscription."""
        await self.call("DELETE", "/chat/push/subscriptions", body={"endpoint": endpoint})

    async def upload(
        self,
        file: Path | bytes,
        conversation_id: str,
        *,
        name: str | None = None,
        mime_type: str | None = None,
        on_progress: Progress | None = None,
    ) -> UploadedMedia:
        """Upload a file for the `media` of a message in the same conversation. Cancel the task to stop it.

        `on_progress` is called with the sent bytes, and all bytes. A `Path` is read in pieces. It retries when the network fails.
        """
        return await upload(self.call, Source.of(file, name, mime_type), conversation_id, on_progress)

    async def call(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> Any:
        """Make any call. Returns the answer's JSON, or None."""
        for attempt in range(ATTEMPTS):
            try:
                return await self._authorized(method, path, query, body)
            except ServerError as error:
                if error.status not in {429, 503} or attempt == ATTEMPTS - 1:
                    raise
                delay = (error.retry_after or 0.0) + full_jitter(attempt, random.random)
            await asyncio.sleep(delay)
        raise AssertionError("unreachable")

    async def _list(self, path: str, query: Query | None = None) -> list[Any]:
        """Return a whole list, whether it comes in pages or at once."""
        items: list[Any] = []
        page: str | None = None
        while True:
            answer = await self.call("GET", path, query={**(query or {}), "page": page})
            if isinstance(answer, list):
                return answer
            items.extend(answer["items"])
            page = answer.get("nextPage")
            if page is None:
                return items

    async def _authorized(self, method: str, path: str, query: Query | None, body: Any) -> Any:
        token = await self._tokens.get()
        answer = await self._request(method, path, token, query, body)
        if answer.status_code == 401:
            answer = await self._request(method, path, await self._tokens.renew_after(token), query, body)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise _failure(answer)

    async def _request(self, method: str, path: str, token: str, query: Query | None, body: Any) -> httpx.Response:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            return await self._http.request(
                method, path, params=params, json=body, headers={"Authorization": f"Bearer {token}"}
            )
        except httpx.HTTPError as error:
            raise ConnectionLost(f"{method} {path}: {error!r}") from error


def _failure(answer: httpx.Response) -> ServerError:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    retry_after = parse_retry_after(answer.headers.get("Retry-After"))
    return error_of(body if isinstance(body, dict) else {}, status=answer.status_code, retry_after=retry_after)
