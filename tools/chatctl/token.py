"""`chatctl token`: a development JWT."""

import json
from typing import Annotated

import typer

from tools.devtoken import mint, user_id
from tools.target import JsonOption


def token(
    user: Annotated[str, typer.Argument(help="The username.")],
    name: Annotated[str | None, typer.Option(help="The display name; by default the username.")] = None,
    seconds: Annotated[int, typer.Option(help="How long it is valid.", min=1)] = 3600,
    as_json: JsonOption = False,
) -> None:
    """Print a token of USER, signed with CHAT_JWT_SECRET or the local stack's secret."""
    minted = mint(user, name, lifetime_seconds=seconds)
    print(json.dumps({"token": minted, "userId": str(user_id(user)), "username": user}) if as_json else minted)
