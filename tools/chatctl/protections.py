"""`chatctl protections`: keeps revocations and blocks over the restore of a database."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from shared.redis import Partitions
from tools.failure import Failure, explained
from tools.protections import put, record, take
from tools.target import backend_url, open_redis

Result = TypeVar("Result")
FileArgument = Annotated[Path, typer.Argument(help="The file; - for the standard streams.")]

app = typer.Typer(help="Carry revocations and blocks over a restore of the database.", no_args_is_help=True)


@app.command()
def save(file: FileArgument) -> None:
    """Before a restore: write all current revocations and blocks to FILE."""
    taken = _run(take.take)
    try:
        record.write(taken, file)
    except FileExistsError as error:
        raise Failure(f"{file} is there already", "keep it, and name another file") from error
    told = f"{len(taken.revocations)} revocations and {len(taken.blocks)} blocks are in {file}"
    Console(stderr=True).print(told, highlight=False)
    if not taken.whole:
        raise Failure(
            "PostgreSQL doesn't answer: these are Redis' copies of revocations, and no blocks",
            "keep this file, and Redis as it is, until the restore: blocks will be those of the backup",
        )


@app.command()
def restore(
    file: Annotated[
        Path | None, typer.Argument(help="What `save` wrote, - for stdin; without it Redis alone is filled.")
    ] = None,
) -> None:
    """After a restore, before the services start: write revocations and blocks to the database and to the emptied Redis."""
    try:
        saved = None if file is None else record.read(file)
    except (OSError, ValueError) as error:
        raise Failure(
            f"{file} can't be read: {error}", "name the file that `chatctl protections save` wrote"
        ) from error
    revocations, pairs = _run(lambda url, partitions: put.put(url, partitions, saved))
    Console().print(f"{revocations} users are revoked, and a block stands between {pairs} pairs", highlight=False)


def _run(work: Callable[[str, Partitions], Coroutine[Any, Any, Result]]) -> Result:
    async def opened() -> Result:
        partitions = open_redis()
        try:
            return await work(backend_url("database", "CHAT_DATABASE_URL"), partitions)
        finally:
            await partitions.aclose()

    with explained():
        return asyncio.run(opened())
