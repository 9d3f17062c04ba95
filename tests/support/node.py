"""Node.js, which runs the tests of the JavaScript client."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "clients" / "javascript"
OLDEST_MAJOR = 18
"""The version of Debian 12."""
FLAGS = {
    18: ["--experimental-global-webcrypto", "--no-warnings"],
    20: ["--experimental-websocket", "--no-warnings"],
    22: [],
}
"""Major version, from which on → the options that give it the globals of a browser."""


def node_version() -> tuple[int, int]:
    """Major and minor version of Node. Fails the test where there is none that the client supports."""
    node = shutil.which("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout if node else ""
    match = re.match(r"v(\d+)\.(\d+)", version)
    found = (int(match[1]), int(match[2])) if match else (0, 0)
    if found < (OLDEST_MAJOR, 0):
        pytest.fail(
            f"needs Node.js {OLDEST_MAJOR} or newer, found {version.strip() or 'none'}: install the package nodejs"
        )
    return found


def node_command() -> list[str]:
    """Node, with the globals of a browser as far as it has them. Fails the test where there is none that the client supports."""
    major, _ = node_version()
    return ["node", *FLAGS[max(first for first in FLAGS if first <= major)]]


async def run_node(*arguments: str, environment: Mapping[str, str], seconds: float) -> str:
    """The output of Node in the client's folder; fails the test, showing it, when Node fails or takes too long."""
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *node_command(),
            *arguments,
            cwd=CLIENT,
            env=dict(environment),
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            pass  # Reported below, with the output.
        finally:
            if process.returncode is None:
                # `node --test` runs each file in a process of its own, which outlives it otherwise.
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        output.seek(0)
        text = output.read().decode()
    assert process.returncode == 0, f"Node ended with {process.returncode} (-9: after {seconds} s):\n{text}"
    return text
