"""A fork does what `python -m` does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

import psutil
import pytest

from tests.support.forks import FORKS, PipedFork, can_fork
from tools.stack.home import ROOT

SECONDS = 60
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
LASTING = {**PLAIN, "CHAT_HTTP_PORT": "0"}
"""With it, the development server runs until it is ended."""
STARTER = """
import os, time
from tests.support.forks import FORKS

print(FORKS.start("tools.devserver", os.environ).pid, flush=True)
time.sleep(600)
"""


def started(module: str, *arguments: str) -> tuple[int, bytes, bytes]:
    """Exit status, output and errors of `python -m`."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, env=PLAIN, capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


async def forked(module: str, *arguments: str, environment: Mapping[str, str] = PLAIN) -> tuple[int, bytes, bytes]:
    """The same of a fork."""
    async with asyncio.timeout(SECONDS):
        fork = await PipedFork.started(module, environment, *arguments)
        output, errors = await fork.communicate()
        return await fork.wait(), output, errors


@pytest.mark.parametrize(
    ("module", "arguments"), [("services.gateway", ()), ("migrations", ()), ("tools.chatctl", ("size", "many"))]
)
async def test_it_ends_as_it_does_otherwise(module: str, arguments: tuple[str, ...]) -> None:
    expected = started(module, *arguments)
    assert expected[0] != 0
    assert expected[2]
    assert await forked(module, *arguments) == expected


async def test_it_has_its_own_environment() -> None:
    _, _, errors = await forked("services.gateway", environment={**PLAIN, "CHAT_PING_SECONDS": "soon"})
    assert b"CHAT_PING_SECONDS" in errors
    _, _, errors = await forked("services.gateway", environment={**PLAIN, "CHAT_PONG_SECONDS": "soon"})
    assert b"CHAT_PONG_SECONDS" in errors
    assert b"CHAT_PING_SECONDS" not in errors


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
async def test_a_signal_ends_it(signum: signal.Signals) -> None:
    fork = FORKS.start("tools.devserver", LASTING, output=2)
    assert fork.poll() is None
    assert psutil.Process(fork.pid).status() != psutil.STATUS_ZOMBIE
    fork.send_signal(signum)
    async with asyncio.timeout(SECONDS):
        assert await fork.wait() in {-signum, 0}
    assert not psutil.pid_exists(fork.pid)
    fork.kill()  # without effect


def test_it_ends_with_its_starter() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER], cwd=ROOT, env=LASTING, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        fork = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    deadline = time.monotonic() + SECONDS
    while fork.is_running() and fork.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_settings_of_the_interpreter_need_a_start_of_its_own() -> None:
    command, other = (sys.executable, "-m", "services.gateway"), {**PLAIN, "PYTHONPATH": "/elsewhere"}
    assert can_fork(command, PLAIN)
    assert not can_fork(command, other)
    assert not can_fork((*command[:2], "tools.stack"), PLAIN)
    with pytest.raises(ValueError, match="interpreter"):
        FORKS.start("services.gateway", other)
