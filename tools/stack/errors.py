"""Errors of the local stack. The text of each is a message for the user.

StackError
├── NotReady          a server doesn't answer (yet)
├── StartFailed       a program ended, or didn't become ready in time
└── NoServer          no way to get a backend on this machine
"""

from pathlib import Path

TAIL_LINES = 15


class StackError(Exception):
    """Its text says what to do."""


class NotReady(StackError):
    """A server isn't ready or doesn't answer; asking again may help."""


class NoServer(StackError):
    """There is no source for this backend."""


class StartFailed(StackError):
    """A program didn't start: which, why, and the end of its log."""

    def __init__(self, name: str, reason: str, log: Path) -> None:
        self.name = name
        self.log = log
        super().__init__(f"{name} {reason}\nits log is {log}, which ends with:\n{tail(log)}")


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last `lines` lines of a log, indented; a log that doesn't exist is empty."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "    (nothing)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (nothing)"
