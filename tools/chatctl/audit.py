"""`chatctl audit`: the calls of the server API, with their callers."""

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shared.postgres import connect, parse
from tools.failure import explained
from tools.target import backend_url

_CALLS = """
    SELECT min(at) AS at, min(subject) AS subject, min(action) AS action, max(user_count) AS users, max(status) AS status
    FROM admin.audit WHERE $1::text IS NULL OR action LIKE '%' || $1 || '%' OR $1 = ANY (users)
    GROUP BY call_id ORDER BY min(id) DESC LIMIT $2
"""


def audit(
    about: Annotated[str | None, typer.Option("--about", help="A user id, or a part of the call's path.")] = None,
    most: Annotated[int, typer.Option("--most", help="At most this many, the newest first.", min=1)] = 50,
) -> None:
    """Show the newest calls of the server API. A call without a status was interrupted by a crash."""
    with explained():
        calls = asyncio.run(_read(about, most))
    table = Table("at", "who", "call", "users", "status")
    for call in calls:
        table.add_row(*("" if value is None else str(value) for value in call.values()))
    # Callers choose the paths of calls, which are no markup.
    Console(markup=False).print(table)


async def _read(about: str | None, most: int) -> list[Any]:
    connection = await connect(parse(backend_url("database", "CHAT_DATABASE_URL")), application_name="chatctl")
    try:
        return list(await connection.fetch(_CALLS, about, most))
    finally:
        await connection.close()
