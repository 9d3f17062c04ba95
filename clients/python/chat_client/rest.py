"""The REST side of the service, with the same token as the socket.

Every call raises ServerError with the server's reason, and ConnectionLost when there was no answer, or no token to ask with.
"""

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable
from functools import cache
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import httpx
from typing_extensions import Unpack

from chat_client.advice import full_jitter, parse_retry_after
from chat_client.errors import ConnectionLost, ServerError, error_of
from chat_client.resources import (
    Block,
    ConversationChanges,
    ConversationQuery,
    Follow,
    Friend,
    Page,
    PushChanges,
    PushDevice,
    PushSubscription,
    Report,
    Settings,
    UnreadCounts,
    UploadedMedia,
)
from chat_client.tokens import Tokens
from chat_client.uploads import Progress, Source, upload
from chat_client.wire import Conversation, Message, Sender, UserStatus

TIMEOUT_SECONDS: Final = 15.0
ATTEMPTS: Final = 3
MAX_PAGE: Final = 100

Query = dict[str, str | int | list[str] | None]


@cache
def _authorities() -> ssl.SSLContext:
    """The certificates that are trusted: read once, in 20 ms, for all clients of a process."""
    return httpx.create_ssl_context()


class Rest:
    """Typed calls. After 429 and 503 a call is retried, after `Retry-After` and with jitter, at most twice."""

    def __init__(self, url: str, tokens: Tokens, http: httpx.AsyncClient | None = None) -> None:
        self._tokens = tokens
        self._http = http or httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, verify=_authorities())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def open_conversation(self, *, username: str | None = None, user_id: str | None = None) -> Conversation:
        """Return the direct conversation with a user; it is created when there is none. Give the username or the id."""
        body = {"username": username} if user_id is None else {"userId": user_id}
        return cast("Conversation", await self.call("POST", "/chat/conversations", body=body))

    async def conversations(
        self, *, limit: int = 50, page: str | None = None, **which: Unpack[ConversationQuery]
    ) -> Page[Conversation]:
        """Return one page of the user's conversations: pinned ones first, then the newest."""
        query: Query = {"limit": limit, "page": page, **_flags(which)}
        return cast("Page[Conversation]", await self.call("GET", "/chat/conversations", query=query))

    async def all_conversations(self, **which: Unpack[ConversationQuery]) -> AsyncIterator[Conversation]:
        """Yield every conversation of the user, pinned ones first, then the newest, page by page."""
        page: str | None = None
        while True:
            answer = await self.conversations(limit=MAX_PAGE, page=page, **which)
            for conversation in answer["items"]:
                yield conversation
            page = answer["nextPage"]
            if page is None:
                return

    async def conversation(self, conversation_id: str) -> Conversation:
        """Return one conversation."""
        return cast("Conversation", await self.call("GET", _conversation(conversation_id)))

    async def update_conversation(self, conversation_id: str, **changes: Unpack[ConversationChanges]) -> Conversation:
        """Change the user's own settings of a conversation, and return it."""
        return cast("Conversation", await self.call("PATCH", _conversation(conversation_id), body=changes))

    async def clear_conversation(self, conversation_id: str) -> None:
        """Hide the conversation's history up to now, for this user only, permanently."""
        await self.call("DELETE", _conversation(conversation_id))

    async def messages(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        around_seq: int | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """Return messages sorted by seq: the oldest after `after_seq`, the newest before `before_seq`, those around `around_seq`,
        or the newest of all. Give at most one of the three.
        """
        query: Query = {"afterSeq": after_seq, "beforeSeq": before_seq, "aroundSeq": around_seq, "limit": limit}
        answer = cast(
            "Page[Message]", await self.call("GET", f"{_conversation(conversation_id)}/messages", query=query)
        )
        return sorted(answer["items"], key=lambda message: message["seq"])

    async def report(self, conversation_id: str, seqs: list[int], reason: str, comment: str | None = None) -> Report:
        """Report messages to the platform, at most 100. They are kept as they are now."""
        body = {"conversationId": conversation_id, "seqs": seqs, "reason": reason, "comment": comment}
        return cast("Report", await self.call("POST", "/chat/reports", body=body))

    async def unread(self) -> UnreadCounts:
        """Return the unread counts."""
        return cast("UnreadCounts", await self.call("GET", "/chat/unread"))

    async def blocks(self) -> list[Block]:
        """Return the users whom the user blocks."""
        return cast("list[Block]", await self._list("/chat/blocks"))

    async def find_users(self, *, username: str | None = None, prefix: str | None = None) -> list[Sender]:
        """Return the user with this name, or at most 20 whose names begin with `prefix` (at least 3 characters)."""
        query: Query = {"username": username, "prefix": prefix}
        return cast("list[Sender]", (await self.call("GET", "/chat/users", query=query))["items"])

    async def me(self) -> Sender:
        """Return the user's profile."""
        return cast("Sender", await self.call("GET", "/chat/users/me"))

    async def update_me(self, **changes: str | None) -> Sender:
        """Change `displayName` or `avatar`."""
        return cast("Sender", await self.call("PATCH", "/chat/users/me", body=changes))

    async def settings(self) -> Settings:
        """Return the user's settings."""
        return cast("Settings", await self.call("GET", "/chat/users/me/settings"))

    async def update_settings(self, *, push: PushChanges) -> Settings:
        """Change settings of pushes, and return all settings. What is left out stays as it is."""
        return cast("Settings", await self.call("PATCH", "/chat/users/me/settings", body={"push": push}))

    async def follow(self, username: str) -> Follow:
        """Follow a user: two who follow each other are friends, and see each other's status."""
        return cast("Follow", await self.call("PUT", f"/chat/follows/{quote(username, safe='')}"))

    async def unfollow(self, username: str) -> Follow:
        """Unfollow a user."""
        return cast("Follow", await self.call("DELETE", f"/chat/follows/{quote(username, safe='')}"))

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

    async def unsubscribe_push(self, endpoint: str | None = None) -> None:
        """Delete a push subscription. Without `endpoint`: all of the user's."""
        await self.call("DELETE", "/chat/push/subscriptions", body=None if endpoint is None else {"endpoint": endpoint})

    async def add_push_device(self, device: PushDevice) -> None:
        """Register a native app for pushes."""
        await self.call("PUT", "/chat/push/devices", body=device)

    async def remove_push_device(self, device: PushDevice) -> None:
        """Delete a native app's registration."""
        await self.call("DELETE", "/chat/push/devices", body=device)

    async def get_upload(self, upload_id: str) -> UploadedMedia:
        """Return an upload with newly signed URLs. They expire after 7 days."""
        return cast("UploadedMedia", (await self.call("GET", f"/chat/uploads/{quote(upload_id)}"))["media"])

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
        token = await _obtained(self._tokens.get())
        answer = await self._request(method, path, token, query, body)
        if answer.status_code == 401:
            token = await _obtained(self._tokens.renew_after(token))
            answer = await self._request(method, path, token, query, body)
        if answer.is_success:
            return _content(answer) if answer.content else None
        raise _failure(answer)

    async def _request(self, method: str, path: str, token: str, query: Query | None, body: Any) -> httpx.Response:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            return await self._http.request(
                method, path, params=params, json=body, headers={"Authorization": f"Bearer {token}"}
            )
        except httpx.HTTPError as error:
            raise ConnectionLost(f"{method} {path}: {error!r}") from error


async def _obtained(token: Awaitable[str]) -> str:
    """Return a token of the application, whose provider may raise anything."""
    try:
        return await token
    except Exception as error:
        raise ConnectionLost(f"No token: {error!r}") from error


def _content(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        # The page of a captive portal, for example.
        raise ConnectionLost(f"{answer.url}: the answer is no JSON") from error


def _conversation(conversation_id: str) -> str:
    return f"/chat/conversations/{quote(conversation_id)}"


def _flags(which: ConversationQuery) -> Query:
    """The query's flags as JSON writes them: `true` and `false`."""
    return {name: str(value).lower() for name, value in which.items()}


def _failure(answer: httpx.Response) -> ServerError:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    retry_after = parse_retry_after(answer.headers.get("Retry-After"))
    return error_of(body if isinstance(body, dict) else {}, status=answer.status_code, retry_after=retry_after)
