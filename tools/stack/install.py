"""`python3 -m tools.stack.install [--for-tests] [--any-python]`: installs all that the Makefile's commands need, in parallel.

With `--any-python`, a faster Python of this machine may be taken instead of the one that runs this (`interpreter`).
The Python packages of `requirements.lock` go into `.venv`; server programs come from apt when there is no earlier source
(`ladder`). When nothing is missing, it prints nothing, and takes a tenth of a second. It uses only the standard library, because
it runs first.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

from tools import checkers, installer
from tools.stack import debian, interpreter
from tools.stack.errors import StackError, tail
from tools.stack.ladder import KINDS, Machine, Source, find_program

ROOT = Path(__file__).parents[2]
VENV = installer.VENV
STAMP = VENV / ".installed"
INPUTS = ("requirements.lock", "pyproject.toml", "clients/python/pyproject.toml")
PACKAGES_JOB = "Python packages into .venv"
CHECKERS_JOB = "the checkers of deploy/ into .local"
PACKAGES = (["-r", "requirements.lock"], ["--no-deps", "-e", ".", "-e", "clients/python"])
ANY_PYTHON = "--any-python"
SLOWER_PYTHON = "STACK_SLOWER_PYTHON"
"""In the environment of this module's second run: the Python of its first one."""
FOR_TESTS = {
    "chromium": "chromium",
    "chromium-headless-shell": "chromium-headless-shell",
    "ffmpeg": "ffmpeg",
    "firefox-esr": "firefox-esr",
    "lua-check": "luacheck",
    "nodejs": "node",
    "npm": "npm",
}
"""Debian's package → its program: only tests of the page, the JavaScript packages, uploads and the Lua scripts need them."""
TICK_SECONDS = 5


def main() -> None:
    """Install. Exits with 1 and a message when that fails."""
    arguments = sys.argv[1:]
    if ANY_PYTHON in arguments and (python := interpreter.faster()):
        arguments.remove(ANY_PYTHON)
        environment = {**os.environ, SLOWER_PYTHON: sys.executable}
        os.execve(python, [python, "-m", "tools.stack.install", *arguments], environment)  # noqa: S606 - it has no need of a shell
    try:
        jobs = missing(for_tests="--for-tests" in arguments)
        if jobs:
            if slower := os.environ.get(SLOWER_PYTHON):
                print(f"with {sys.executable}: {slower} was built without optimizations (PYTHON={slower} takes it)")
            began = time.monotonic()
            side_by_side(jobs)
            print(f"installed in {time.monotonic() - began:.0f} s", flush=True)
    except StackError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


def missing(*, for_tests: bool) -> dict[str, Callable[[], None]]:
    """Return the missing steps by description. Raises StackError when one is impossible."""
    if sys.version_info < interpreter.OLDEST:
        raise StackError(
            f"Python {'.'.join(map(str, interpreter.OLDEST))} or newer is needed; PYTHON=… tells make which one"
        )
    jobs: dict[str, Callable[[], None]] = {}
    if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != fingerprint():
        jobs[PACKAGES_JOB] = python_packages
    packages = debian_packages(for_tests=for_tests)
    if packages:
        jobs[f"{', '.join(packages)} from Debian"] = lambda: debian.install(packages, ROOT / ".local" / "apt.log")
    if for_tests and not checkers.has_packages():
        first = jobs.pop(PACKAGES_JOB, None)
        jobs[f"{PACKAGES_JOB}, then {CHECKERS_JOB}" if first else CHECKERS_JOB] = partial(
            in_order, first, install_checkers
        )
    return jobs


def in_order(first: Callable[[], None] | None, second: Callable[[], None]) -> None:
    """Run both: the second is faster with an installer that the first brings."""
    if first is not None:
        first()
    second()


def debian_packages(*, for_tests: bool) -> list[str]:
    """Return the packages whose programs have no other source. Raises NoServer when apt can't be used, and one is needed."""
    machine = Machine.look(os.environ)
    packages = [kind.package for kind in KINDS if machine.source(kind) is Source.APT]
    if machine.can_apt:
        wanted = {"haproxy": "haproxy", **(FOR_TESTS if for_tests else {})}
        packages += [package for package, program in wanted.items() if find_program(program) is None]
    elif find_program("haproxy") is None:
        raise StackError("HAProxy isn't installed; it is in the package haproxy of Debian, Fedora, Alpine and Homebrew")
    return packages


def python_packages() -> None:
    """Install the locked packages, and then this project and its Python client in editable form."""
    python = VENV / "bin" / "python"
    if not interpreter.is_this(python):
        make_venv()
    log = VENV / "install.log"
    with log.open("w") as output:
        installers = [installer.pip(python)]
        if installer.may_use_uv(python):
            run([*installer.pip(python), installer.VERSION], output)
            installers.insert(0, installer.uv(python))
        if not any(all(run([*command, *what], output) for what in PACKAGES) for command in installers):
            raise StackError(f"the Python packages couldn't be installed:\n{tail(log)}")
    STAMP.write_text(fingerprint(), encoding="utf-8")


def install_checkers() -> None:
    """Install the packages that check `deploy/`, for which the first test would wait otherwise. Raises StackError."""
    try:
        checkers.checker("checkov")
    except checkers.CheckerMissing as error:
        raise StackError(str(error)) from error


def run(command: list[str], output: TextIO) -> bool:
    """Run an installer, and return whether it succeeded."""
    environment = installer.environment()
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    except OSError as error:
        output.write(f"{command[0]}: {error}\n")
        return False
    return done.returncode == 0


def make_venv() -> None:
    """Create an empty `.venv`. On Debian, the module for that is in a separate package, python3-venv."""
    try:
        import ensurepip  # noqa: F401 - whether it is there is the question
    except ImportError:
        if os.geteuid() != 0:
            raise StackError("Python can't make a virtual environment here: install the package python3-venv") from None
        debian.install(["python3-venv"], ROOT / ".local" / "apt-venv.log")
    venv.create(VENV, with_pip=True, clear=True)


def fingerprint() -> str:
    """Return a text that changes with every input, and with the version of Python."""
    digest = hashlib.sha256(sys.version.encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def side_by_side(jobs: dict[str, Callable[[], None]]) -> None:
    """Run all jobs in parallel, printing the time every few seconds. Raises the first StackError."""
    (ROOT / ".local").mkdir(exist_ok=True)
    faults: list[StackError] = []

    def work(job: Callable[[], None]) -> None:
        try:
            job()
        except StackError as error:
            faults.append(error)

    began = time.monotonic()
    threads = {name: threading.Thread(target=work, args=(job,), daemon=True) for name, job in jobs.items()}
    for name, thread in threads.items():
        print(f"installing {name}", flush=True)
        thread.start()
    while running := [name for name, thread in threads.items() if thread.is_alive()]:
        threads[running[0]].join(TICK_SECONDS)
        if threads[running[0]].is_alive():
            print(f"{time.monotonic() - began:5.0f} s  still installing {'; '.join(running)}", flush=True)
    if faults:
        raise faults[0]


if __name__ == "__main__":
    main()
