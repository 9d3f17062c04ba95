"""The file that keeps revocations and blocks while a database is restored."""

import os
import sys
from pathlib import Path
from typing import Final

import msgspec


class Revocation(msgspec.Struct, frozen=True):
    """Tokens of a user that were issued up to `revoked_ms` (Unix ms) are refused, until `expires_ms` or for ever (None)."""

    user_id: str
    revoked_ms: int
    expires_ms: int | None


class Block(msgspec.Struct, frozen=True):
    """`blocker` blocks `blocked`, or no longer does (`active` false), since `changed_ms`; asked for at `issued_ms`. Unix ms."""

    blocker: str
    blocked: str
    active: bool
    changed_ms: int
    issued_ms: int


class Record(msgspec.Struct, frozen=True):
    """All of them. `whole` False: the database didn't answer, and only Redis' copies of revocations are here."""

    whole: bool
    revocations: list[Revocation]
    blocks: list[Block]


STREAM: Final = Path("-")
"""Stands for the standard streams: a container's own files are read-only, and gone when it ends."""


def write(record: Record, path: Path) -> None:
    """Write the file, for its owner alone. Raises FileExistsError rather than replace an older one, and OSError."""
    if path == STREAM:
        sys.stdout.buffer.write(msgspec.json.encode(record))
        sys.stdout.flush()
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(record))


def read(path: Path) -> Record:
    """Read the file. Raises OSError, and ValueError for another kind of file."""
    return msgspec.json.decode(sys.stdin.buffer.read() if path == STREAM else path.read_bytes(), type=Record)
