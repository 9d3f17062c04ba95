"""`chatctl revoke`: end a user's tokens."""

import asyncio
from typing import Annotated, Final

import typer
from rich.console import Console

from shared.auth.revocations import Revocations
from shared.redis import Shards
from tools.chatctl.failure import explained
from tools.chatctl.target import backend_url
from tools.chatctl.users import find_user

DEFAULT_DAYS: Final = 30
"""The longest lifetime of a token that the services accept, unless CHAT_JWT_MAX_LIFETIME_SECONDS says otherwise."""
DAY_SECONDS: Final = 86_400


def revoke(
    user: Annotated[str, typer.Argument(help="A user id or a username.")],
    days: Annotated[
        int, typer.Option(help="How long to remember: the longest that a token may live.", min=1)
    ] = DEFAULT_DAYS,
) -> None:
    """Refuse all tokens that USER has now, everywhere, and close the connections made with them."""
    with explained():
        subject = asyncio.run(find_user(user))
        asyncio.run(_revoke(backend_url("redis", "CHAT_REDIS_URLS"), subject, days * DAY_SECONDS))
    Console().print(f"refused from now on: tokens of {subject} that were issued before", highlight=False)


async def _revoke(urls: str, subject: str, keep_seconds: int) -> None:
    shards = Shards(urls.split(","))
    try:
        await Revocations(shards).revoke(subject, keep_seconds)
    finally:
        await shards.aclose()
