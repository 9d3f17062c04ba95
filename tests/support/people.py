"""The users of an end-to-end test, each with a unique name, a token, sockets and REST calls."""

import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.plain_http import plain_http
from tests.support.sockets import RawSocket
from tools.devtoken import mint, user_id

REST_SECONDS = 60


@dataclass
class Person:
    """A user of the system at `url` (http origin of the load balancer)."""

    url: str
    username: str
    token: str
    stack: AsyncExitStack
    sockets: list[RawSocket] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The user id."""
        return str(user_id(self.username))

    async def connect(self, *, url: str | None = None, greet: bool = True, **options: Any) -> RawSocket:
        """Open a connection; the test closes it at its end. With `greet`, it has had `connection.success` and `status.bulk`."""
        socket = await self.stack.enter_async_context(await RawSocket.connect(url or self.url, self.token, **options))
        self.sockets.append(socket)
        if greet:
            await socket.expect("connection.success")
            await socket.expect("status.bulk")
        return socket

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Make a REST call with this user's token."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        async with plain_http(self.url, timeout=REST_SECONDS) as client:
            return await client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Any:
        """Return the JSON of a GET that must succeed."""
        response = await self.call("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def conversation_with(self, other: "Person") -> str:
        """Open the conversation with `other`, who is registered if necessary, and return its id."""
        await other.get("/chat/users/me")
        response = await self.call("POST", "/chat/conversations", json={"username": other.username})
        assert response.status_code in {200, 201}, response.text
        return str(response.json()["id"])

    async def befriend(self, other: "Person") -> None:
        """Let both users follow each other."""
        for one, another in ((self, other), (other, self)):
            await another.get("/chat/users/me")
            response = await one.call("PUT", f"/chat/follows/{another.username}")
            assert response.is_success, response.text


class People:
    """Creates users with names that no other test has."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack

    def make(self, label: str = "user", /, **claims: Any) -> Person:
        """Create a user whose username begins with `label`; `claims` go to the token."""
        username = f"{label}-{uuid.uuid4().hex[:10]}"
        return Person(self._url, username, mint(username, **claims), self._stack)


def text_message(conversation_id: str, content: str, temp_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return the payload of a `message.send`."""
    payload = {"conversationId": conversation_id, "type": "text", "content": content, **fields}
    return payload if temp_id is None else {**payload, "tempId": temp_id}
