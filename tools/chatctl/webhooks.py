"""`chatctl webhooks`: events that an endpoint refused for too long, and how many wait."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shared.postgres import connect, parse
from tools.failure import explained
from tools.target import backend_url

MostOption = Annotated[int, typer.Option("--most", help="At most this many, the oldest first.", min=1)]
_WAITING = (
    "SELECT endpoint, count(*) AS events FROM webhooks.events WHERE dead_at IS NULL GROUP BY endpoint ORDER BY endpoint"
)
_DEAD = """
    SELECT id, endpoint, type, at, attempts, last_error FROM webhooks.events WHERE dead_at IS NOT NULL ORDER BY id LIMIT $1
"""
_OLDEST = "SELECT id FROM webhooks.events WHERE dead_at IS NOT NULL ORDER BY id LIMIT $1"
_REPLAY = f"""
    UPDATE webhooks.events SET dead_at = NULL, next_at = NULL, attempts = 0, first_refused_at = NULL WHERE id IN ({_OLDEST})
"""  # noqa: S608 - our own statement
_FORGET = """
    DELETE FROM webhooks.events WHERE id IN (SELECT id FROM webhooks.events WHERE endpoint = $2 LIMIT $1)
"""
_PART = 10_000
"""Events that one statement deletes, which takes less than its time limit."""
_DROP = f"DELETE FROM webhooks.events WHERE id IN ({_OLDEST})"  # noqa: S608

app = typer.Typer(help="Show webhook events that were given up, send them again, or delete them.", no_args_is_help=True)


@app.command("list")
def show(most: MostOption = 20) -> None:
    """Show how many events wait for each endpoint, and the oldest dead letters."""
    with explained():
        waiting, dead = asyncio.run(_list(most))
    # What an endpoint answered is no markup.
    console = Console(markup=False)
    for row in waiting:
        console.print(f"{row['endpoint']}: {row['events']} waiting", highlight=False)
    console.print(f"dead letters: {len(dead) or 'none'}", highlight=False)
    if dead:
        table = Table("id", "endpoint", "type", "at", "attempts", "error")
        for row in dead:
            table.add_row(*(str(value) for value in row.values()))
        console.print(table)


@app.command()
def replay(most: MostOption = 1000) -> None:
    """Send the oldest dead letters again."""
    with explained():
        done = asyncio.run(_execute(_REPLAY, most))
    Console().print(f"{done} wait again", highlight=False)


@app.command()
def drop(most: MostOption = 1, yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False) -> None:
    """Delete the oldest dead letters permanently."""
    if not yes:
        typer.confirm(f"Forget up to {most} events for good?", abort=True)
    with explained():
        done = asyncio.run(_execute(_DROP, most))
    Console().print(f"{done} dropped", highlight=False)


@app.command()
def forget(
    endpoint: Annotated[str, typer.Argument(help="A URL that is no longer in CHAT_WEBHOOK_URLS.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Delete all that waits for ENDPOINT, and its dead letters, permanently."""
    if not yes:
        typer.confirm(f"Forget all events for {endpoint}?", abort=True)
    with explained():
        done = asyncio.run(_forget(endpoint))
    Console(markup=False).print(f"{done} forgotten", highlight=False)


async def _forget(endpoint: str) -> int:
    total = 0
    while done := await _execute(_FORGET, _PART, endpoint):
        total += done
    return total


async def _list(most: int) -> tuple[list[Any], list[Any]]:
    connection = await connect(parse(backend_url("database", "CHAT_DATABASE_URL")), application_name="chatctl")
    try:
        return list(await connection.fetch(_WAITING)), list(await connection.fetch(_DEAD, most))
    finally:
        await connection.close()


async def _execute(statement: str, most: int, *arguments: str) -> int:
    connection = await connect(parse(backend_url("database", "CHAT_DATABASE_URL")), application_name="chatctl")
    try:
        return int((await connection.execute(statement, most, *arguments)).rpartition(" ")[2])
    finally:
        await connection.close()
