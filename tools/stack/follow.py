"""The logs of running processes, line by line as they grow."""

from collections.abc import Iterable, Iterator
from pathlib import Path


class Follower:
    """Reads lines that are added to a log from now on."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """The whole lines that came since the last call."""
        if not self._log.exists():
            return
        if self._log.stat().st_size < self._offset:
            self._offset = 0  # The log was started again.
        with self._log.open("rb") as file:
            file.seek(self._offset)
            grown = file.read()
        self._offset += len(grown)
        *whole, self._rest = (self._rest + grown).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def new_lines(followers: Iterable[Follower]) -> Iterator[tuple[str, str]]:
    """Name and line, over all of them."""
    for follower in followers:
        for line in follower.lines():
            yield follower.name, line
