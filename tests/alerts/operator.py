"""An operator who has an alert's page open: runs what it tells, word for word, on the system that the alert is about."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.alerts.pages import Page
from tools.stack.home import ROOT, write_private

COMMAND_SECONDS = 120


@dataclass
class Operator:
    """`environment`: what names the system to the tools, PATH first. `done`: gets the commands that were run."""

    page: Page
    environment: Mapping[str, str]
    done: list[str]

    async def run(self, command: str, given: Mapping[str, str] | None = None, *, fails: bool = False) -> str:
        """Run a command of the page, with the names in it replaced by `given`; returns its output.

        Fails when the page doesn't tell it, or when it ends otherwise than it should.
        """
        assert command in self.page.commands, f"the page of {self.page.alert} doesn't tell `{command}`"
        text = command
        for name, value in (given or {}).items():
            assert name in text, f"{name} isn't in `{command}`"
            text = text.replace(name, value)
        if text.startswith("SELECT"):
            text = f'psql --no-psqlrc --command "{text}" "$CHAT_DATABASE_URL"'
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", text),
            cwd=ROOT,
            env=dict(self.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(COMMAND_SECONDS):
            output = (await process.communicate())[0].decode(errors="replace")
        assert (process.returncode != 0) == fails, f"{text}\nended with {process.returncode}:\n{output}"
        self.done.append(command)
        return output

    async def look(self, path: str, url: str) -> str:
        """What a process at `url` answers to `GET path`, which the page tells to look at."""
        assert f"`{path}`" in self.page.text, f"the page of {self.page.alert} doesn't tell {path}"
        async with httpx.AsyncClient(timeout=COMMAND_SECONDS) as client:
            answer = await client.get(url + path)
        self.done.append(f"GET {path}")
        return answer.text


def write_tools(folder: Path, commands: Mapping[str, tuple[str, ...]]) -> str:
    """Write each tool into `folder` with the arguments that lead it to the system, as an operator's shell would.

    Returns a PATH with `folder` in front.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, command in commands.items():
        words = " ".join(f"'{word}'" for word in command)
        write_private(folder / name, f'#!/bin/sh\nexec {words} "$@"\n')
        (folder / name).chmod(0o700)
    return os.pathsep.join((str(folder), os.environ["PATH"]))
