"""`chatctl send`: one message."""

import asyncio
import json
from typing import Annotated, Final

import typer
from chat_client import ChatClient, Conversation, Message, ServerError
from rich.console import Console

from shared.protocol.errors import ErrorCode
from tools.devtoken import mint
from tools.failure import explained
from tools.target import JsonOption, UrlOption, url_of

SECONDS: Final = 20
"""Longest wait; enough for a restart of a service meanwhile."""


def send(
    receiver: Annotated[str, typer.Argument(help="Username of the receiver.")],
    text: Annotated[str, typer.Argument(help="The text of the message.")],
    sender: Annotated[str, typer.Option("--as", help="Username of the sender.")],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send TEXT to RECEIVER, and wait until it is stored."""
    with explained():
        message = asyncio.run(_send(url_of(url), sender, receiver, text))
    if as_json:
        print(json.dumps(message, ensure_ascii=False))
    else:
        Console().print(
            f"stored as number {message['seq']} of conversation {message['conversationId']}", highlight=False
        )


async def _send(url: str, sender: str, receiver: str, text: str) -> Message:
    """Send the message. REST comes first, because it fails at once when the system isn't there; the socket would retry."""
    client = ChatClient(url, lambda: mint(sender))
    try:
        async with asyncio.timeout(SECONDS):
            conversation = await _conversation(client, url, receiver)
            async with client:
                return await client.send(conversation["id"], "text", text)
    finally:
        await client.rest.aclose()


async def _conversation(client: ChatClient, url: str, receiver: str) -> Conversation:
    try:
        return await client.rest.open_conversation(username=receiver)
    except ServerError as error:
        if error.code != ErrorCode.USER_NOT_FOUND:
            raise
    await _introduce(url, receiver)
    return await client.rest.open_conversation(username=receiver)


async def _introduce(url: str, username: str) -> None:
    """Register a development user who never connected, by any request with the user's token."""
    client = ChatClient(url, lambda: mint(username))
    try:
        await client.rest.me()
    finally:
        await client.rest.aclose()
