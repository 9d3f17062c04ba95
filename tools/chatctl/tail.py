"""`chatctl tail`: a user's events as they come."""

import asyncio
import json
from datetime import datetime
from typing import Annotated, Any

import typer
from chat_client import ChatClient, ClientClosed
from rich.console import Console
from rich.markup import escape

from tools.devtoken import mint
from tools.failure import explained
from tools.target import JsonOption, UrlOption, url_of


def tail(
    user: Annotated[str, typer.Argument(help="Whose events.")],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print USER's events until Ctrl-C. It reconnects after restarts."""
    with explained():
        asyncio.run(_tail(url_of(url), user, as_json))


async def _tail(url: str, user: str, as_json: bool) -> None:
    console = Console()
    client = ChatClient(url, lambda: mint(user))
    printing = asyncio.create_task(_print(client, console, as_json))
    try:
        async with client:
            await printing
    except ClientClosed:
        await printing
        raise
    finally:
        printing.cancel()


async def _print(client: ChatClient, console: Console, as_json: bool) -> None:
    async for event in client.events():
        if as_json:
            print(json.dumps(event, ensure_ascii=False), flush=True)
        else:
            console.print(line(dict(event)), highlight=False, soft_wrap=True)


def line(event: dict[str, Any]) -> str:
    """Return one event in rich's markup: time, type, and the important fields."""
    kind = event["type"]
    body = event.get("error") if kind == "error" else event.get("payload", {})
    text = escape(_summary(kind, body or {}))
    colour = "red" if kind == "error" or kind.endswith(("lost", "missing")) else "cyan"
    return f"[dim]{datetime.now().astimezone():%H:%M:%S}[/] [{colour}]{kind:<26}[/] {text}"


def _summary(kind: str, body: dict[str, Any]) -> str:
    if kind in {"message.new", "message.sent"}:
        message = body["message"]
        sender = message.get("sender", {}).get("username", "me" if kind == "message.sent" else message["senderId"])
        content = message["content"] if message["content"] is not None else f"({message['type']})"
        return f"#{message['seq']} {sender}: {content}"
    if kind == "status.bulk":
        return ", ".join(f"{user['userId']} {user['status']}" for user in body["users"]) or "no friends"
    return ", ".join(f"{name}: {value}" for name, value in body.items())
