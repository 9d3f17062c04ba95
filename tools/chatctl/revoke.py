"""`chatctl revoke`: end a user's tokens."""

import asyncio
from typing import Annotated, Final

import typer
from rich.console import Console

from shared.auth.revocations import Revocations
from tools.chatctl.failure import explained
from tools.chatctl.target import open_redis
from tools.chatctl.users import find_user

DAY_SECONDS: Final = 86_400


def revoke(
    user: Annotated[str, typer.Argument(help="A user id or a username.")],
    days: Annotated[
        int | None, typer.Option(help="How long to remember: the longest that a token may live. Else for ever.", min=1)
    ] = None,
) -> None:
    """Refuse all tokens that USER has now, everywhere, and close the connections made with them."""
    with explained():
        subject = asyncio.run(find_user(user))
        keep_seconds = None if days is None else days * DAY_SECONDS
        asyncio.run(_revoke(subject, keep_seconds))
    Console().print(f"refused from now on: tokens of {subject} that were issued before", highlight=False)


async def _revoke(subject: str, keep_seconds: int | None) -> None:
    shards = open_redis()
    try:
        await Revocations(shards).revoke(subject, keep_seconds)
    finally:
        await shards.aclose()
