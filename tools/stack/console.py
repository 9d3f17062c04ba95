"""Output at the terminal: progress, results, and the logs of the processes with coloured names."""

import sys
import time

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""ANSI foreground colours, given to names in turn."""
DIM, RED, BOLD = 2, 31, 1


class Console:
    """Writes lines to standard output, and colours them when that is a terminal."""

    def __init__(self, *, colours: bool | None = None, quiet: bool = False) -> None:
        self._colours = sys.stdout.isatty() if colours is None else colours
        self._quiet = quiet
        self._names: dict[str, int] = {}
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Print progress, with the seconds since the start."""
        if not self._quiet:
            print(self._paint(f"{time.monotonic() - self._began:5.1f} s ", DIM) + text, flush=True)

    def say(self, text: str) -> None:
        """Print a result."""
        if not self._quiet:
            print(text, flush=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        print(self._paint(text, RED), file=sys.stderr, flush=True)

    def log(self, name: str, line: str) -> None:
        """Print a line from the log of the process `name`."""
        colour = self._names.setdefault(name, COLOURS[len(self._names) % len(COLOURS)])
        print(self._paint(f"{name:<12} │ ", colour) + line, flush=True)

    def bold(self, text: str) -> str:
        """Return `text` in bold."""
        return self._paint(text, BOLD)

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text
