"""`chatctl trace`: the path of one message."""

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shared.protocol.codec import is_uuid
from tools.failure import Failure, explained
from tools.message_trace import copies, letters, row, story
from tools.target import JsonOption, backend_url, open_redis


def trace(
    message: Annotated[str, typer.Argument(metavar="MESSAGE_ID", help="The message's id.")],
    conversation: Annotated[
        str | None, typer.Option(help="Its conversation's id: without it the whole table is searched.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the path of a message: stored, in inboxes, delivered, read, pushed, given up. Its text is not shown."""
    for given in filter(None, (message, conversation)):
        if not is_uuid(given):
            raise Failure(f"{given} is no id", "ids are UUIDs, as in `message.sent` and in the logs")
    with explained():
        lines = asyncio.run(_trace(message.lower(), conversation))
    if as_json:
        print(json.dumps(dict(lines), ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False)
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        console.print(Text(f"{name:<{width}}  {text}"))


async def _trace(message: str, conversation: str | None) -> list[tuple[str, str]]:
    amqp = backend_url("amqp", "CHAT_AMQP_URL")
    found, webhooks, devices = await row.find(backend_url("database", "CHAT_DATABASE_URL"), message, conversation)
    dead = await letters.find(amqp, message)
    if found is None:
        where = "; ".join(f"a dead letter in {queue}: {reason}" for queue, reason in dead)
        raise Failure(
            f"no message has the id {message}{': ' + where if where else ''}",
            "it was never stored, or is expired or erased: follow the sender's tempId in traces and logs",
        )
    partitions = open_redis()
    try:
        known = await copies.find(partitions, found, devices)
    finally:
        await partitions.aclose()
    return [*story.tell(found, known, webhooks, dead), *story.queries(found)]
