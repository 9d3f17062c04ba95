"""`chatctl media`: the usage of uploads, uploads without a message, and their deletion."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Final

import typer
from obstore.exceptions import BaseError
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from services.media.settings import MediaSettings
from services.media.storage import Storage
from services.media.store_audit import StoreAudit
from services.media.sweep import Sweep
from shared import postgres
from tools import target
from tools.failure import Failure, explained
from tools.target import JsonOption, backend_url

app = typer.Typer(help="Uploads: usage, orphans, sweep.", no_args_is_help=True)
LISTED: Final = 100


@app.command()
def usage(as_json: JsonOption = False) -> None:
    """How many uploads there are in each state, and their bytes."""
    with _explained():
        found = asyncio.run(_usage())
    if as_json:
        print(json.dumps(found))
        return
    table = Table("state", "uploads", "bytes")
    for row in found:
        table.add_row(row["state"], str(row["uploads"]), f"{row['bytes']:,}")
    Console().print(table)


@app.command()
def orphans(as_json: JsonOption = False) -> None:
    """List uploads without a message (the oldest 100), and objects in the store without a row."""
    with _explained():
        unused, unknown = asyncio.run(_orphans())
    if as_json:
        print(json.dumps({"uploads": unused, "objects": unknown}))
        return
    table = Table("upload", "user", "state", "bytes", "reserved")
    for row in unused:
        table.add_row(row["id"], row["user_id"], row["state"], f"{row['size']:,}", row["reserved_at"])
    console = Console()
    console.print(table)
    console.print(f"{len(unknown)} objects that no row names" + ("" if not unknown else ":"))
    for name in unknown[:LISTED]:
        console.print(f"  {name}", highlight=False)


@app.command()
def sweep(
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also delete objects that no row names. Be sure that it is the right database."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete now what the services would delete within some seconds."""
    with _explained():
        swept, deleted = asyncio.run(_sweep(unknown=unknown))
    if as_json:
        print(json.dumps({"uploads": swept, "objects": deleted}))
    else:
        print(f"deleted the objects of {swept} uploads, and {deleted} objects that no row named")


async def _usage() -> list[dict[str, Any]]:
    async with _backends() as (pool, storage):
        return [found._asdict() for found in await StoreAudit(pool, storage).usage()]


async def _orphans() -> tuple[list[dict[str, Any]], list[str]]:
    async with _backends() as (pool, storage):
        audit = StoreAudit(pool, storage)
        unused = [{**row._asdict(), "reserved_at": row.reserved_at.isoformat()} for row in await audit.unused(LISTED)]
        return unused, [stored.name async for stored in audit.unknown()]


async def _sweep(*, unknown: bool) -> tuple[int, int]:
    async with _backends() as (pool, storage):
        default = MediaSettings.model_fields["upload_orphan_seconds"].default
        seconds = float(os.environ.get("CHAT_UPLOAD_ORPHAN_SECONDS") or default)
        swept = await Sweep(pool, storage, seconds, period_seconds=0).once()
        return swept, await StoreAudit(pool, storage).delete_unknown() if unknown else 0


@asynccontextmanager
async def _backends() -> AsyncIterator[tuple[postgres.Pool, Storage]]:
    """The database and the store of the environment, or of the local stack."""
    database = SecretStr(backend_url("database", "CHAT_DATABASE_URL"))
    storage = Storage(_store_url(), os.environ.get("CHAT_UPLOAD_STORE_OPTIONS"))
    pool = await postgres.open_pool(database, size=1, application_name="chatctl")
    try:
        yield pool, storage
    finally:
        await pool.close()


def _store_url() -> str:
    """The store of the environment, or that of the local stack. Raises Failure when another system's isn't named."""
    if url := os.environ.get("CHAT_UPLOAD_STORE"):
        return url
    if os.environ.get("CHAT_DATABASE_URL"):
        raise Failure(
            "CHAT_UPLOAD_STORE isn't set", "give this tool media's CHAT_UPLOAD_STORE and CHAT_UPLOAD_STORE_OPTIONS"
        )
    return f"file://{target.STACK_FILE.parent.resolve()}/uploads"


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the errors of the backends and of the store into failures."""
    try:
        with explained():
            yield
    except BaseError as error:
        raise Failure(f"the store: {error}", "check CHAT_UPLOAD_STORE and CHAT_UPLOAD_STORE_OPTIONS") from error
