"""The access token: requested from the application when it is first needed, and again when the server wants a newer one."""

from collections.abc import Awaitable, Callable
from typing import Final

from anyio import fail_after

PROVIDER_SECONDS: Final = 30.0
"""A provider's own request may hang. Without a limit, all calls would wait with it."""

TokenProvider = Callable[[], str | Awaitable[str]]
"""Returns a new JWT; a plain or async function. It is called at the first connect, before expiry, and after a refused token."""


class Tokens:
    """Holds the current token."""

    def __init__(self, provider: TokenProvider) -> None:
        self._provider = provider
        self._token: str | None = None

    async def get(self) -> str:
        """Return the current token. Raises what the provider raises."""
        return self._token if self._token is not None else await self.renew()

    async def renew(self) -> str:
        """Get a newer token, which `get` returns from now on. Raises what the provider raises, and TimeoutError."""
        token = self._provider()
        if not isinstance(token, str):
            with fail_after(PROVIDER_SECONDS):
                token = await token
        self._token = token
        return token

    async def renew_after(self, refused: str) -> str:
        """Return a token other than `refused`. Several requests that were refused together renew it only once."""
        return await self.get() if self._token != refused else await self.renew()
