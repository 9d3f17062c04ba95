"""`chatctl dead-letters`: messages that no service could handle."""

import asyncio
import json
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from shared.protocol.topology import MESSAGING_DEAD
from tools import dead_letters as letters
from tools.failure import Failure, explained
from tools.target import JsonOption, backend_url

QueueArgument = Annotated[str, typer.Argument(help=f"Of {', '.join(letters.SOURCES)}.")]
MostOption = Annotated[int, typer.Option("--most", help="At most this many, the oldest first.", min=1)]
DEFAULT_QUEUE: Final = MESSAGING_DEAD.name
LISTED: Final = 20

app = typer.Typer(
    help="Show what no service could handle, move it back to its queue, or delete it.", no_args_is_help=True
)


@app.command("list")
def show(queue: QueueArgument = DEFAULT_QUEUE, most: MostOption = LISTED, as_json: JsonOption = False) -> None:
    """Show the oldest letters of QUEUE, with the reason; they stay there."""
    url = _broker(queue)
    with explained():
        found = asyncio.run(letters.list_letters(url, queue, most))
    if as_json:
        for letter in found:
            print(json.dumps({"reason": letter.reason, "size": letter.size, "body": letter.body.hex()}))
        return
    # The reason may quote what a client sent, which is no markup.
    console = Console(markup=False)
    console.print(f"{queue}: {len(found) or 'nothing'}", highlight=False)
    if not found:
        return
    table = Table()
    table.add_column("bytes", justify="right")
    table.add_column("reason")
    for letter in found:
        table.add_row(str(letter.size), letter.reason)
    console.print(table)


@app.command()
def retry(queue: QueueArgument = DEFAULT_QUEUE, most: MostOption = 1) -> None:
    """Move the oldest letters of QUEUE back to the queue that they came from."""
    url = _broker(queue)
    with explained():
        count = asyncio.run(letters.retry_letters(url, queue, most))
    Console().print(f"{count} given back to {letters.SOURCES[queue].name}", highlight=False)


@app.command()
def drop(
    queue: QueueArgument = DEFAULT_QUEUE,
    most: MostOption = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Delete the oldest letters of QUEUE permanently."""
    url = _broker(queue)
    if not yes:
        typer.confirm(f"Forget up to {most} of {queue} for good?", abort=True)
    with explained():
        count = asyncio.run(letters.drop_letters(url, queue, most))
    Console().print(f"{count} dropped", highlight=False)


def _broker(queue: str) -> str:
    """The broker's URL. Raises Failure for a queue that has no dead letters."""
    if queue not in letters.SOURCES:
        raise Failure(f"{queue} is no dead-letter queue", f"name one of {', '.join(letters.SOURCES)}")
    return backend_url("amqp", "CHAT_AMQP_URL")
