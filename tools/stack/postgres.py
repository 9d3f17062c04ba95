"""A private PostgreSQL: its own cluster, on the loopback address, as durable as in production."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import psutil

from tools.stack import probes
from tools.stack.errors import StackError
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.program import Program

DATABASE = "chat"
ACCOUNTS = ("postgres", "nobody")
"""System users to run as when we are root, which PostgreSQL refuses: the first that exists."""
FALLBACK_ROOT = Path("/var/tmp")  # noqa: S108 - survives a reboot, and the folder below it is private
ORPHAN_SECONDS = 10
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path must be short, and other programs look for it in a fixed place.
    "unix_socket_directories": "",
    "max_connections": "200",
    # The guarantees depend on these settings, so they are on even here.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "log_line_prefix": "%m [%p] ",
    # A checkpoint in the middle of a benchmark would be measured.
    "max_wal_size": "2GB",
    "wal_level": "replica",
}


class Postgres:
    """The cluster `name` in `home`. `follows`: the primary that it copies, and follows as a standby, when it has no data."""

    def __init__(self, home: Home, port: int, name: str = "postgres", follows: "Postgres | None" = None) -> None:
        self._follows = follows
        self._home = home
        self._name = name
        self._port = port
        self._user = service_account()
        self._data = place(home.data(name), self._user)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"postgresql://{DATABASE}:{self.password}@127.0.0.1:{self._port}/{DATABASE}"

    @property
    def password(self) -> str:
        """Return the account's password; a standby has its primary's."""
        return self._home.secret(self._name) if self._follows is None else self._follows.password

    def forget(self) -> None:
        """Delete the data of a stopped cluster. It is created again at the next start."""
        self._clean_up_after_crash()
        shutil.rmtree(self._data)

    def programs(self, environment: Mapping[str, str]) -> list[Program]:
        """The postmaster."""
        options = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        return [
            Program(
                name=self._name,
                command=(program("postgres"), "-D", str(self._data), "-p", str(self._port), *options),
                port=self._port,
                probe=partial(probes.postgres, self.url),
                environment={**environment, "LC_ALL": "C.UTF-8"},
                prepare=self._prepare,
                directory=Path("/"),
                user=self._user,
                stop_signal=signal.SIGINT,  # fast: ends sessions, writes a checkpoint (server-shutdown)
            )
        ]

    def _prepare(self) -> None:
        if (self._data / "PG_VERSION").exists():
            self._clean_up_after_crash()
        elif self._follows is None:
            self._create()
        else:
            self._copy(self._follows.url)

    def _copy(self, primary: str) -> None:
        """Make a standby: a copy of the primary that then follows it (`pg_basebackup -R`)."""
        draft = self._data.with_name(f"{self._data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        if self._user is not None:
            shutil.chown(draft, self._user, self._user)
        source = f"{primary}?application_name={self._name}"
        self._run(program("pg_basebackup"), "-d", source, "-D", str(draft), "-R", "-X", "stream", "-c", "fast")
        draft.rename(self._data)

    def _create(self) -> None:
        """Run initdb in another folder, and then rename it, so that an incomplete cluster is never used."""
        draft = self._data.with_name(f"{self._data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        secret = draft.with_name(f"{draft.name}.password")
        secret.touch(mode=0o600)
        secret.write_text(self.password, encoding="utf-8")
        if self._user is not None:
            shutil.chown(draft, self._user, self._user)
            shutil.chown(secret, self._user, self._user)
        try:
            self._run(
                program("initdb"), "-D", str(draft), "-U", DATABASE, "--encoding=UTF8", "--locale=C.UTF-8",
                "--auth=scram-sha-256", f"--pwfile={secret}",
            )  # fmt: skip
            self._run(
                program("postgres"), "--single", "-D", str(draft), "postgres", text=f"CREATE DATABASE {DATABASE}\n"
            )
        finally:
            secret.unlink()
        draft.rename(self._data)

    def _run(self, *command: str, text: str = "") -> None:
        """Run a program of PostgreSQL to its end. Raises StackError with its output."""
        done = subprocess.run(
            command, input=text, text=True, capture_output=True, cwd="/", user=self._user, group=self._user, check=False,
            extra_groups=None if self._user is None else [],
        )  # fmt: skip
        if done.returncode != 0:
            raise StackError(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")

    def _clean_up_after_crash(self) -> None:
        """Wait for the children of a killed postmaster, and then delete its lock file, whose process id may belong to another
        process now.
        """
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        deadline = time.monotonic() + ORPHAN_SECONDS
        while orphans := [process for process in psutil.process_iter() if self._serves(process)]:
            if time.monotonic() > deadline:
                for orphan in orphans:
                    orphan.kill()
            time.sleep(0.02)
        lock.unlink()

    def _serves(self, process: psutil.Process) -> bool:
        """Whether `process` belongs to this cluster: every process of PostgreSQL works in its data folder."""
        try:
            return process.name().startswith("postgres") and process.cwd() == str(self._data.resolve())
        except psutil.Error:
            return False


def service_account() -> str | None:
    """Return the user to run as, or None for the current one."""
    if os.geteuid() != 0:
        return None
    for account in ACCOUNTS:
        try:
            return pwd.getpwnam(account).pw_name
        except KeyError:
            continue
    raise StackError(f"PostgreSQL doesn't run as root, and there is none of the users {', '.join(ACCOUNTS)}")


def place(wanted: Path, user: str | None) -> Path:
    """Return the data folder: `wanted`, or one below /var/tmp with a link from `wanted`, when `user` can't access `wanted`.

    A checkout below /root is the usual case: only root may enter that.
    """
    if wanted.is_symlink():
        return wanted.readlink()
    if user is None or all(folder.stat().st_mode & 0o001 for folder in wanted.resolve().parents):
        return wanted
    folder = FALLBACK_ROOT / f"chat-{os.urandom(6).hex()}"
    folder.mkdir()
    folder.chmod(0o711)
    wanted.symlink_to(folder / wanted.name)
    return wanted.readlink()
