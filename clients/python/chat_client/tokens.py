"""The access token: requested from the application when it is first needed, and again when the server wants a newer one."""

from collections.abc import Awaitable, Callable

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
        """Get a newer token, which `get` returns from now on. Raises what the provider raises."""
        token = self._provider()
        self._token = token if isinstance(token, str) else await token
        return self._token

    async def renew_after(self, refused: str) -> str:
        """Return a token other than `refused`. Several requests that were refused together renew it only once."""
        return await self.get() if self._token != refused else await self.renew()
