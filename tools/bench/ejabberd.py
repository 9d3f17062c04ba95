"""Runs ejabberd, to compare with: Debian's package, in a folder of the benchmark's own, with its archive in the same PostgreSQL.

Erlang starts with the flags of `ejabberdctl`, but without node names and a port mapper, because there is only one node. Clients
connect without a balancer. ejabberd stores each message twice, in the archives of its sender and its receiver.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import httpx

from tools.bench.target import Target
from tools.stack import debian
from tools.stack.errors import StackError

PORT: Final = 18092
PACKAGES: Final = ("ejabberd", "erlang-p1-pgsql")
SCHEMA: Final = Path("/usr/share/ejabberd/sql/pg.sql")
DATABASE: Final = "ejabberd"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 15
CONFIGURATION: Final = """\
loglevel: warning
log_rotate_count: 0
hosts: [localhost]
listen:
  - port: {port}
    ip: 127.0.0.1
    backlog: 1000
    module: ejabberd_http
    request_handlers: {{/chat/ws: ejabberd_http_ws}}
auth_method: sql
auth_password_format: plain
default_db: sql
sql_type: pgsql
sql_server: {host}
sql_port: {sql_port}
sql_database: {database}
sql_username: {user}
sql_password: {password}
modules:
  mod_blocking: {{}}
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_mam: {{default: always}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
"""
"""Those modules of Debian's own configuration that a chat needs; without shapers, so that no rate limit counts."""


@asynccontextmanager
async def ejabberd(beside: Target, home: Path) -> AsyncIterator[Target]:
    """Run ejabberd on the PostgreSQL of `beside`, its files below `home`. Raises StackError when it doesn't start."""
    _require(home)
    database_url = await _make_database(beside)
    folder = home / "ejabberd"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    configuration = folder / "ejabberd.yml"
    configuration.write_text(_configuration(database_url), encoding="utf-8")
    configuration.chmod(0o600)
    process = await _start(folder, configuration)
    try:
        url = f"http://127.0.0.1:{PORT}"
        await _ready(url, process, folder)
        processes = {"ejabberd": [process.pid], "postgres": beside.processes.get("postgres", [])}
        yield Target("ejabberd", url, processes, database_url)
    finally:
        await _stop(process)


def _require(home: Path) -> None:
    """Install the packages if they are missing. Raises StackError where that isn't possible."""
    if SCHEMA.exists() and any(Path("/usr/lib").glob("*/*/ebin/pgsql.beam")):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StackError(f"the peer needs the packages {' and '.join(PACKAGES)} of Debian or Ubuntu")
    debian.install(PACKAGES, home / "apt-ejabberd.log")


def _libraries() -> Path:
    """Return Debian's folder of Erlang libraries, /usr/lib/<architecture>."""
    return next(Path("/usr/lib").glob("*/ejabberd-*")).parent


async def _make_database(beside: Target) -> str:
    """A new database with ejabberd's tables. Returns its URL."""
    if beside.database_url is None:
        raise ValueError("the peer needs the URL of a PostgreSQL")
    server = await asyncpg.connect(beside.database_url)
    try:
        await server.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        await server.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await server.close()
    url = urlsplit(beside.database_url)._replace(path=f"/{DATABASE}").geturl()
    tables = await asyncpg.connect(url)
    try:
        await tables.execute(SCHEMA.read_text(encoding="utf-8"))
    finally:
        await tables.close()
    return url


def _configuration(database_url: str) -> str:
    parts = urlsplit(database_url)
    return CONFIGURATION.format(
        port=PORT,
        host=parts.hostname,
        sql_port=parts.port or 5432,
        database=DATABASE,
        user=parts.username,
        password=f'"{parts.password}"',
    )


async def _start(folder: Path, configuration: Path) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        # Erlang writes its cookie to the home folder.
        "HOME": str(folder),
        "EJABBERD_CONFIG_PATH": str(configuration),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        "ERL_CRASH_DUMP_BYTES": "0",
        "ERL_LIBS": str(_libraries()),
    }
    flags = ["-noinput", "+K", "true", "+P", "250000", "-mnesia", "dir", f'"{folder}/mnesia"', "-s", "ejabberd"]
    with (folder / "console.log").open("wb") as console:
        return await asyncio.create_subprocess_exec("erl", *flags, env=environment, stdout=console, stderr=console)


async def _ready(url: str, process: asyncio.subprocess.Process, folder: Path) -> None:
    """Wait until its WebSocket's address answers."""
    try:
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient(trust_env=False) as http:
            while True:
                if process.returncode is not None:
                    raise StackError(f"ejabberd ended: see {folder}/console.log and {folder}/ejabberd.log")
                try:
                    await http.get(f"{url}/chat/ws")
                except httpx.HTTPError:
                    await asyncio.sleep(0.2)
                else:
                    return
    except TimeoutError:
        raise StackError(f"ejabberd doesn't answer after {START_SECONDS} s: see {folder}/ejabberd.log") from None


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
