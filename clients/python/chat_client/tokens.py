"""The access token: asked from the application when it is first needed, and again when the server wants a newer one."""

from collections.abc import Awaitable, Callable

TokenProvider = Callable[[], str | Awaitable[str]]
"""Gives a fresh JWT; plain or async. Called at the first connect, before expiry, and after the server refused a token."""


class Tokens:
    """Holds the present token."""

    def __init__(self, provider: TokenProvider) -> None:
        self._provider = provider
        self._token: str | None = None

    async def get(self) -> str:
        """The present token. Raises what the provider raises."""
        return self._token if self._token is not None else await self.renew()

    async def renew(self) -> str:
        """A newer token, which `get` gives from now on. Raises what the provider raises."""
        token = self._provider()
        self._token = token if isinstance(token, str) else await token
        return self._token

    async def renew_after(self, refused: str) -> str:
        """A token other than `refused`: several requests that were refused together renew once."""
        return await self.get() if self._token != refused else await self.renew()
