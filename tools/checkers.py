"""Programs that check `deploy/`: kubectl, kubernetes-validate, checkov, check-jsonschema and promtool.

They live under `.local/checkers`, apart from the project's own environment, since checkov pins versions of what the services
use too. `python -m tools.checkers` installs what is missing; later calls need no network.
"""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
HOME: Final = ROOT / ".local/checkers"
LOCK: Final = ROOT / "deploy/checkers.lock"
INSTALLED: Final = HOME / "installed.lock"
"""A copy of the lock that the environment was made from."""
PROMTOOL: Final = HOME / "prometheus/usr/bin/promtool"


class CheckerMissing(Exception):
    """A program isn't there and can't be had; the text says what to do."""


@cache
def checker(name: str) -> str:
    """The path of a program, installed first where it is missing. Raises CheckerMissing."""
    if name == "promtool":
        return _promtool()
    if not INSTALLED.exists() or INSTALLED.read_bytes() != LOCK.read_bytes():
        _install_packages()
    return str(HOME / "bin" / name)


def _install_packages() -> None:
    _run("make an environment", sys.executable, "-m", "venv", "--clear", str(HOME))
    _run("install deploy/checkers.lock", str(HOME / "bin/pip"), "install", "--quiet", "--requirement", str(LOCK))
    shutil.copyfile(LOCK, INSTALLED)


def _promtool() -> str:
    """From PATH, or out of Debian's package: unpacked and not installed, so that no Prometheus is started by it."""
    found = shutil.which("promtool")
    if found is None and not PROMTOOL.exists():
        if shutil.which("apt-get") is None:
            raise CheckerMissing("promtool is missing: install Prometheus 2.42 or later, which brings it")
        _unpack_prometheus()
    return found or str(PROMTOOL)


def _unpack_prometheus() -> None:
    folder = HOME.parent / "prometheus-package"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _run("fetch the package prometheus", "apt-get", "download", "prometheus", at=folder)
    except CheckerMissing:
        # A fresh machine has no package lists yet.
        _run("fetch Debian's package lists", "apt-get", "update")
        _run("fetch the package prometheus", "apt-get", "download", "prometheus", at=folder)
    package = max(folder.glob("prometheus_*.deb"), key=lambda path: path.stat().st_mtime)
    _run("unpack it", "dpkg-deb", "--extract", str(package), str(HOME / "prometheus"))
    shutil.rmtree(folder)


def _run(purpose: str, *command: str, at: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckerMissing(f"could not {purpose}: {' '.join(command)}\n{done.stdout}{done.stderr}")


def main() -> None:
    """Install what is missing, and say where it is."""
    for name in ("kubectl", "kubernetes-validate", "checkov", "check-jsonschema", "promtool"):
        print(checker(name))


if __name__ == "__main__":
    main()
