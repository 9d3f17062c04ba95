"""After a restore of an older database, from pg_dump or archived write-ahead log, later revocations and blocks still hold."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.messaging.stores.blocks import Blocks
from services.messaging.stores.pairs import pair_of
from services.messaging.stores.sql import CREATE_CONVERSATION
from shared.auth.principal import Principal
from shared.auth.revocations import Revocations
from shared.auth.tokens import TokenError
from shared.postgres import Pool, open_pool
from shared.protocol import keys
from shared.redis import Partitions
from tests.support.backends import execute
from tests.support.waiting import eventually
from tools.protections import put, record, take
from tools.stack.console import Console
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.ports import PortBook, free_port
from tools.stack.postgres import Postgres, place, service_account
from tools.stack.process import Processes
from tools.stack.starter import Starter

WAIT_SECONDS = 60
ARCHIVED = "SELECT last_archived_wal >= $1 FROM pg_stat_archiver"


class Users:
    """Who was shut out when: before the backup, after it, and who came back after it."""

    def __init__(self) -> None:
        self.blocker, self.before, self.after, self.lifted = (str(uuid.uuid4()) for _ in range(4))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(SecretStr(url), size=2, application_name="test")
    try:
        yield pool
    finally:
        await pool.close()


async def shut_out(url: str, partitions: Partitions, users: Users, when: str) -> None:
    """Revoke and block somebody; after the backup a block is also taken back."""
    user = users.before if when == "before" else users.after
    async with opened(url) as pool:
        for other in (users.before, users.after, users.lifted):
            pair = pair_of(users.blocker, other)
            await pool.execute(CREATE_CONVERSATION, pair.conversation_id, *pair, users.blocker)
        await Revocations(pool, partitions).revoke(user, None)
        await Blocks(pool, partitions).set(users.blocker, user, active=True)
        await Blocks(pool, partitions).set(users.blocker, users.lifted, active=when == "before")


async def assert_shut_out(url: str, partitions: Partitions, users: Users) -> None:
    """Everything is as it was last, in the database and in Redis."""
    issued = time.time() - 3600
    async with opened(url) as pool:
        for user in (users.before, users.after):
            with pytest.raises(TokenError):
                await Revocations(pool, partitions).check_stored(principal(user, issued))
            partition = partitions.of(user)
            assert await partition.client.get(partition.key(keys.REVOKED, user)) is not None
        await Revocations(pool, partitions).check(principal(users.lifted, issued))
        blocked = {user.user_id for user in await Blocks(pool, partitions).of(users.blocker, 100)}
        assert blocked == {users.before, users.after}
        for user, stands in ((users.before, True), (users.after, True), (users.lifted, False)):
            conversation = pair_of(users.blocker, user).conversation_id
            known = await pool.fetchval("SELECT blocked FROM messaging.conversations WHERE id = $1", conversation)
            assert known is stands
    partition = partitions.of(users.blocker)
    hidden: Any = await partition.client.smembers(partition.key(keys.BLOCKED, users.blocker))
    assert {member.decode() for member in hidden} == {users.before, users.after}


def principal(user_id: str, issued_at: float) -> Principal:
    return Principal(user_id=user_id, issued_at=issued_at, expires_at=time.time() + 3600, username="somebody")


async def restore_protections(url: str, partitions: Partitions, file: Path) -> None:
    """As docs/operations.md has it: Redis is emptied, then both get what was saved; twice, since nobody counts at night."""
    await partitions.at(0).client.flushdb()
    for _ in range(2):
        assert await put.put(url, partitions, record.read(file)) == (2, 2)


def run(name: str, *arguments: str, user: str | None = None) -> None:
    done = subprocess.run([program(name), *arguments], cwd="/", user=user, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_from_a_dump(database_url: str, partitions: Partitions, tmp_path: Path) -> None:
    users, dump, file = Users(), str(tmp_path / "chat.dump"), tmp_path / "protections"
    await shut_out(database_url, partitions, users, "before")
    run("pg_dump", "--dbname", database_url, "--format", "custom", "--file", dump)
    await shut_out(database_url, partitions, users, "after")
    record.write(await take.take(database_url, partitions), file)
    options = ("--clean", "--if-exists", "--exit-on-error", "--single-transaction")
    run("pg_restore", "--dbname", database_url, *options, dump)
    async with opened(database_url) as pool:
        # What the dump doesn't know: without what follows, this user would be back.
        await Revocations(pool, partitions).check_stored(principal(users.after, time.time() - 3600))
    await restore_protections(database_url, partitions, file)
    await assert_shut_out(database_url, partitions, users)


async def test_without_the_database_the_copies_in_redis_are_kept(
    database_url: str, partitions: Partitions, tmp_path: Path
) -> None:
    users, file = Users(), tmp_path / "protections"
    await shut_out(database_url, partitions, users, "after")
    taken = await take.take(f"postgresql://127.0.0.1:{free_port()}/chat", partitions)
    assert not taken.whole
    assert users.after in {revocation.user_id for revocation in taken.revocations}
    record.write(taken, file)
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        record.write(taken, file)


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[tuple[Home, PortBook, Processes, Starter]]:
    home = Home(folder)
    processes = Processes(home, tied=True)
    try:
        yield home, PortBook(home), processes, Starter(home, processes, Console(quiet=True))
    finally:
        for process in processes.living():
            await processes.stop(process)


def owned(folder: Path, account: str | None) -> Path:
    """`folder`, made for the account that PostgreSQL runs as."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if account is not None:
        shutil.chown(folder, account, account)
    return folder


async def start(starter: Starter, server: Postgres) -> None:
    (found,) = server.programs(os.environ)
    await starter.launch(found)
    await starter.await_ready(found)


async def test_from_the_archived_log(partitions: Partitions, tmp_path: Path) -> None:
    """A base backup and its log up to an instant (PostgreSQL, «Continuous Archiving and Point-in-Time Recovery»)."""
    users, file, account = Users(), tmp_path / "protections", service_account()
    async with servers(tmp_path / "stack") as (home, ports, processes, starter):
        primary = Postgres(home, ports.port("primary"), "primary")
        archive, backup = (owned(place(home.data(name), account), account) for name in ("archive", "restored"))
        await start(starter, primary)
        # The archive is on from the start that follows.
        await execute(primary.url, "ALTER SYSTEM SET archive_mode = on")
        await execute(primary.url, f"ALTER SYSTEM SET archive_command = 'cp %p {archive}/%f'")
        await processes.stop(processes.get("primary"))
        await start(starter, primary)
        migrations = {**os.environ, "CHAT_DATABASE_URL": primary.url}
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "migrations"], env=migrations, check=True, capture_output=True
        )

        await shut_out(primary.url, partitions, users, "before")
        run("pg_basebackup", "-d", primary.url, "-D", str(backup), "-X", "none", "-c", "fast", user=account)
        instant = await value(primary.url, "SELECT now()::text")
        await shut_out(primary.url, partitions, users, "after")
        last = await value(primary.url, "SELECT pg_walfile_name(pg_switch_wal())")
        await eventually(lambda: archived(primary.url, last), WAIT_SECONDS)
        record.write(await take.take(primary.url, partitions), file)

        (backup / "recovery.signal").touch()
        with (backup / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(
                f"archive_mode = off\nrestore_command = 'cp {archive}/%f %p'\n"
                f"recovery_target_time = '{instant}'\nrecovery_target_action = promote\n"
            )
        restored = Postgres(home, ports.port("restored"), "restored", primary)
        await start(starter, restored)
        await eventually(lambda: writes(restored.url), WAIT_SECONDS)
        async with opened(restored.url) as pool:
            await Revocations(pool, partitions).check_stored(principal(users.after, time.time() - 3600))
        await restore_protections(restored.url, partitions, file)
        await assert_shut_out(restored.url, partitions, users)


async def value(url: str, query: str, *arguments: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def archived(url: str, segment: str) -> bool:
    return bool(await value(url, ARCHIVED, segment))


async def writes(url: str) -> bool:
    try:
        return not await value(url, "SELECT pg_is_in_recovery()")
    except (OSError, asyncpg.PostgresError):
        return False
