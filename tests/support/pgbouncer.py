"""PgBouncer in front of a database, in transaction mode."""

import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tools.stack import probes
from tools.stack.console import Console
from tools.stack.home import Home, write_private
from tools.stack.ladder import find_program
from tools.stack.ports import PortBook
from tools.stack.postgres import service_account
from tools.stack.process import Processes
from tools.stack.program import Program
from tools.stack.starter import Starter

VARIABLE = "PGBOUNCERS"
"""Paths of further versions, separated by colons; the installed one is tested too."""
CONFIGURATION = """\
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
"""


def pgbouncers() -> list[Path]:
    """The programs on this machine."""
    named = [Path(path) for path in os.environ.get(VARIABLE, "").split(":") if path]
    own = find_program("pgbouncer")
    return [*named, *([own] if own else [])]


def version_of(program: Path) -> tuple[int, int]:
    """Return the major and the minor version."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert match is not None, said
    return int(match[1]), int(match[2])


@asynccontextmanager
async def pooled(program: Path, database_url: str, folder: Path, prepared_statements: int) -> AsyncIterator[str]:
    """Return a URL to `database_url` through PgBouncer, which keeps this many prepared statements if it can."""
    home = Home(folder)
    ports, processes = PortBook(home), Processes(home, tied=True)
    parts = urlsplit(database_url)
    listen = ports.port("pgbouncer")
    text = CONFIGURATION.format(
        host=parts.hostname, port=parts.port, user=parts.username, password=parts.password, listen=listen
    )
    if version_of(program) >= (1, 21):
        text += f"max_prepared_statements = {prepared_statements}\n"
    file = folder / "pgbouncer.ini"
    write_private(file, text)
    # It runs as another user where we are root, and has to read its configuration.
    file.chmod(0o644)
    url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{listen}", query="sslmode=disable"))
    pooler = Program(
        name="pgbouncer",
        command=(str(program), str(file)),
        port=listen,
        probe=partial(probes.listening, listen),
        environment=dict(os.environ),
        user=service_account(),
    )
    starter = Starter(home, processes, Console(quiet=True))
    try:
        await starter.launch(pooler)
        await starter.await_ready(pooler)
        yield url
    finally:
        for record in processes.living():
            await processes.kill(record)
