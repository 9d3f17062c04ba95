"""Runs some processes of a stack with the code of an earlier commit."""

import dataclasses
import subprocess
from collections.abc import Container, Sequence
from pathlib import Path
from typing import IO, Final

from tests.support.forks import launch
from tools.stack.home import ROOT
from tools.stack.process import Child, Launch, popen
from tools.stack.program import Program

FROM: Final = "ROLLOUT_FROM"
"""The variable with the earlier commit; by default it is the last release before this one, or else the commit before."""
EARLIER: Final = frozenset({"gateway-1", "messaging-1", "presence-1"})
"""The processes of the earlier version."""


def earlier_commit(wanted: str) -> str | None:
    """Return the id of `wanted`, or, when that is '', of the last release before this commit, or else of the commit before.

    None when there is no earlier commit here. Raises ValueError when `wanted` is unknown.
    """
    if wanted:
        found = _git("rev-parse", "--verify", f"{wanted}^{{commit}}")
        if found is None:
            raise ValueError(f"{wanted}: there is no such commit here")
        return found.decode().strip()
    release = _git("describe", "--tags", "--abbrev=0", "HEAD^")
    found = _git("rev-parse", "--verify", f"{release.decode().strip() if release else 'HEAD^'}^{{commit}}")
    return None if found is None else found.decode().strip()


def unpack(commit: str, folder: Path) -> None:
    """Write the files of a commit to `folder`."""
    packed = _git("archive", "--format=tar", commit)
    assert packed is not None
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--directory", folder], input=packed, check=True)


def versions(folder: Path, names: Container[str]) -> Launch:
    """Return what starts the processes with these names by the code in `folder`, and others by today's."""

    def start(program: Program, command: Sequence[str], output: IO[bytes]) -> Child:
        if program.name in names:
            # `python -m` looks for modules in its folder first.
            return popen(dataclasses.replace(program, directory=folder), command, output)
        return launch(program, command, output)

    return start


def _git(*arguments: str) -> bytes | None:
    """Return what git writes; None when it fails, or isn't there."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
