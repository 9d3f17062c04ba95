"""Installs Debian packages without starting their services, because the stack runs its own servers, on its own ports.

Standard library only.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tools.stack.errors import StackError

POLICY = Path("/usr/sbin/policy-rc.d")
FORBIDDEN = "#!/bin/sh\n# Written by the local stack while it installs packages: no service is started.\nexit 101\n"
"""Exit status 101: «action forbidden by policy» (invoke-rc.d(8))."""
OPTIONS = ("--yes", "--quiet", "--no-install-recommends", "-oDPkg::Lock::Timeout=120")
UNITS = {
    "postgresql": "postgresql",
    "redis-server": "redis-server",
    "rabbitmq-server": "rabbitmq-server",
    "haproxy": "haproxy",
    "ejabberd": "ejabberd",
}
"""Package → the systemd unit that it would start at every boot."""


def install(packages: Sequence[str], log: Path) -> None:
    """Install packages, with apt's output in `log`. Raises StackError when apt fails."""
    with services_forbidden(), log.open("w") as output:
        # The package lists may be old or missing. They are fetched only when apt needs them, because that takes a while.
        if _apt(["install", *OPTIONS, *packages], output) != 0:
            _apt(["update", "--quiet"], output)
            if _apt(["install", *OPTIONS, *packages], output) != 0:
                raise StackError(f"apt-get couldn't install {' '.join(packages)}: see {log}")
    for package in packages:
        _disable(package)


@contextmanager
def services_forbidden() -> Iterator[None]:
    """Forbid packages to start services meanwhile. An existing policy of the machine is not changed."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(FORBIDDEN, encoding="utf-8")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _apt(arguments: list[str], output: TextIO) -> int:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    done = subprocess.run(
        ["apt-get", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        check=False,
    )
    return done.returncode


def _disable(package: str) -> None:
    """Keep the new system service from starting at the next boot."""
    if package in UNITS and shutil.which("systemctl") is not None:
        subprocess.run(["systemctl", "disable", "--quiet", UNITS[package]], capture_output=True, check=False)
