"""The folder of a stack: `.local/` of the checkout, unless a test uses another one."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
"""The checkout."""


class Home:
    """The folders and files below `path`: an absolute one, since processes start in other folders."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.records = self.path / "run"
        self.logs = self.path / "log"
        for folder in (self.path, self.records, self.logs):
            folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Return the default home, or that of `STACK_HOME`, with which several stacks of one checkout can run at the same
        time.
        """
        return cls(Path(environment.get("STACK_HOME") or ROOT / ".local"))

    def data(self, name: str) -> Path:
        """Return the folder of a server's data, which is not created here."""
        return self.path / name

    def log(self, name: str) -> Path:
        """Return the log of the process `name`."""
        return self.logs / f"{name}.log"

    def record(self, name: str) -> Path:
        """Return the file with the record of the process `name`."""
        return self.records / f"{name}.json"

    def secret(self, name: str) -> str:
        """Return a random password, which stays the same after its first use."""
        file = self.path / f"{name}.secret"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text(encoding="utf-8")


def write_private(file: Path, text: str) -> None:
    """Replace a file atomically; only this user can read it."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(file)


def read_json(file: Path) -> Any:
    """Return the content of a JSON file, or None when it is missing or incomplete."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
