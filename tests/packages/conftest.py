"""Packages as their users get them: packed, installed into applications of their own, and built there."""

import shutil
from pathlib import Path

import pytest

from tests.support.node import CLIENT, node_version
from tests.support.packages import run_command


@pytest.fixture(scope="session")
def packed_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JavaScript client's package, built from a copy of its sources: an archive as `npm pack` makes it."""
    if shutil.which("npm") is None:
        pytest.fail("needs npm: install the package npm")
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(CLIENT, folder / "src", ignore=shutil.ignore_patterns("node_modules", "dist"))
    run_command(["npm", "ci"], folder / "src")
    name = run_command(["npm", "pack", "--silent", "--pack-destination", str(folder)], folder / "src").split()[-1]
    return folder / name


@pytest.fixture(scope="session")
def vite() -> str:
    """The newest Vite that runs on this machine's Node."""
    return "vite@8" if node_version() >= (20, 19) else "vite@5"
