"""The users of a benchmark: their tokens, REST calls, conversations and histories."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import httpx

from tools.bench.ledger import Account
from tools.bench.target import Target
from tools.devtoken import mint

TOKEN_SECONDS: Final = 6 * 3600
AT_ONCE: Final = 16
PAGE: Final = 100
ATTEMPTS: Final = 5

T = TypeVar("T")


def token_of(username: str) -> str:
    """Return a token that lives longer than the benchmark."""
    return mint(username, lifetime_seconds=TOKEN_SECONDS)


class Rest:
    """REST calls of many users to one target."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def call(self, username: str, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of the response. Retries 429 and 503 a few times, then raises httpx.HTTPStatusError."""
        headers = {"Authorization": f"Bearer {token_of(username)}"}
        for attempt in range(ATTEMPTS):
            answer = await self._http.request(method, path, json=body, headers=headers)
            if answer.status_code not in {429, 503} or attempt == ATTEMPTS - 1:
                break
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def open_conversation(self, username: str, other: str) -> str:
        """Open the conversation of two users, who are registered if necessary, and return its id."""
        await self.call(other, "GET", "/chat/users/me")
        conversation = await self.call(username, "POST", "/chat/conversations", {"username": other})
        return str(conversation["id"])

    async def history(self, username: str, account: Account) -> list[tuple[int, int]]:
        """Return (number, seq) of every message of this run in a conversation, ordered by seq."""
        stored: list[tuple[int, int]] = []
        after = account.base_seq
        while True:
            path = f"/chat/conversations/{account.name}/messages?afterSeq={after}&limit={PAGE}"
            items = (await self.call(username, "GET", path))["items"]
            stored += [(int(item["content"].split()[0]), item["seq"]) for item in items]
            if len(items) < PAGE:
                return stored
            after = items[-1]["seq"]


@asynccontextmanager
async def rest_of(target: Target) -> AsyncIterator[Rest]:
    """Open a REST client for the time of the block."""
    async with httpx.AsyncClient(base_url=target.url, timeout=30, trust_env=False) as http:
        yield Rest(http)


async def together(work: Iterable[Callable[[], Awaitable[T]]]) -> Sequence[T]:
    """Run many calls, `AT_ONCE` at a time, and return the results in order."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(call: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await call()

    return await asyncio.gather(*(one(call) for call in work))
