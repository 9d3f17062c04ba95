"""Where a stack keeps its things: one folder, `.local/` of the checkout unless a test gives another."""

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
        """The usual one, or where `STACK_HOME` says: several stacks of one checkout can run side by side."""
        return cls(Path(environment.get("STACK_HOME") or ROOT / ".local"))

    def data(self, name: str) -> Path:
        """The folder of a server's data; not made here."""
        return self.path / name

    def log(self, name: str) -> Path:
        """The log of the process `name`."""
        return self.logs / f"{name}.log"

    def record(self, name: str) -> Path:
        """The file that says which process is `name`."""
        return self.records / f"{name}.json"

    def secret(self, name: str) -> str:
        """A random password that stays the same from its first use on."""
        file = self.path / f"{name}.secret"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text(encoding="utf-8")


def write_private(file: Path, text: str) -> None:
    """Replace a file at once, readable by this user only: whoever reads it sees the old text or the new."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(file)


def read_json(file: Path) -> Any:
    """The content of a JSON file, or None when there is none or it was cut short."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
