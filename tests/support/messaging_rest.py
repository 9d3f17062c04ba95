"""Messaging's REST interface as tests call it: in the test's process, without a broker."""

import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from tests.support.messaging import Person
from tests.support.messaging_process import SECRET


@dataclass
class Rest:
    """Calls as a person."""

    client: httpx.AsyncClient

    async def __call__(self, person: Person, method: str, path: str, **options: Any) -> httpx.Response:
        """The response to a call."""
        claims = {"sub": person.id, "preferred_username": person.username, "exp": time.time() + 600}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, person: Person, path: str, **parameters: Any) -> Any:
        """The body of a successful GET."""
        response = await self(person, "GET", path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()
