"""Packages as their users get them: packed, installed into applications of their own, and built there."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.packages import applications, versions
from tests.support.node import CLIENT
from tests.support.packages import install_packages, run_command

MULTI_PARSER = Path(__file__).parent / "multi-parser"
Compiled = Mapping[str, list[str]]
"""Name of an application → its faults."""
BUILT = shutil.ignore_patterns("node_modules", "dist")


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `clients`, with what the JavaScript packages need installed, and both built and packed (`npm pack` builds)."""
    if shutil.which("npm") is None:
        pytest.fail("needs npm: install the package npm")
    folder = tmp_path_factory.mktemp("packages") / "clients"
    for name in ("javascript", "react"):
        shutil.copytree(CLIENT.parent / name, folder / name, ignore=BUILT)
        run_command(["npm", "ci"], folder / name)
        run_command(["npm", "pack", "--silent"], folder / name)
    return folder


@pytest.fixture(scope="session")
def packed_client(clients: Path) -> Path:
    """The JavaScript client's package: an archive as `npm pack` makes it."""
    return _archive(clients / "javascript")


@pytest.fixture(scope="session")
def packed_hooks(clients: Path) -> Path:
    """The package of React hooks."""
    return _archive(clients / "react")


@pytest.fixture(scope="session")
def installed(packed_client: Path, packed_hooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of npm that all applications of these tests need, ours among them, installed at once.

    An application is a folder in it: Node, the compiler and Vite find in `node_modules` above it what it imports.
    """
    folder = tmp_path_factory.mktemp("applications")
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module", "overrides": versions.UNUSED}))
    shutil.copytree(MULTI_PARSER, folder / MULTI_PARSER.name)
    install_packages(folder, *versions.applications(), str(packed_client), str(packed_hooks))
    return folder


@pytest.fixture(scope="session")
def compiled(installed: Path, clients: Path) -> Compiled:
    """What the compiler says of the applications."""
    return applications.compile_all(installed, clients)


def _archive(package: Path) -> Path:
    (archive,) = package.glob("*.tgz")
    return archive
