"""The platform's own back end, as the server API's caller."""

import uuid
from typing import Any

import httpx

from tests.support.plain_http import plain_http
from tools.devtoken import mint

SECONDS = 30
SCOPE = "chat.admin"


class Platform:
    """Calls the server API at `url` with a service token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token or mint("platform", scope=SCOPE)

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call `/chat/admin` + path."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        async with plain_http(self.url, timeout=SECONDS) as client:
            return await client.request(method, f"/chat/admin{path}", headers=headers, **options)

    async def expect(self, status: int, method: str, path: str, **options: Any) -> Any:
        """Return the JSON (None without a body) of a call that must be answered with `status`."""
        response = await self.call(method, path, **options)
        assert response.status_code == status, f"{response.status_code}: {response.text}"
        return response.json() if response.content else None

    async def make_user(self, label: str = "user") -> dict[str, Any]:
        """Create a user before the first token: `{id, username, displayName, avatar}`."""
        name = f"{label}-{uuid.uuid4().hex[:10]}"
        body = {"username": name, "displayName": label.capitalize(), "avatar": None}
        made: dict[str, Any] = await self.expect(200, "PUT", f"/users/{uuid.uuid4()}", json=body)
        return made
