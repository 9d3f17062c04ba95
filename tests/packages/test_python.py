"""The Python client's package: its wheel, Python 3.10 (the oldest that it supports), and a client that others generate."""

import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packages import versions
from tests.support.packages import run_command

CLIENT = Path(__file__).parents[2] / "clients" / "python"
PROGRAM = Path(__file__).parent / "python_3_10.mjs"
IMPORT_ALL = """
import importlib, pkgutil, sys
from unittest.mock import MagicMock

# This build of Python comes without `ssl`, which the libraries name when they are imported.
tls = MagicMock()
for name in ("SSLError", "SSLZeroReturnError", "SSLEOFError", "SSLWantReadError", "SSLWantWriteError", "SSLSyscallError"):
    setattr(tls, name, type(name, (OSError,), {}))
sys.modules["ssl"] = tls

import chat_client
from chat_client.advice import parse_retry_after

modules = [module.name for module in pkgutil.walk_packages(chat_client.__path__, "chat_client.")]
for module in modules:
    importlib.import_module(module)
assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
f"{sys.version_info[:2]}: {len(modules)} modules"
"""

DOCUMENT = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"
GENERATE = "import sys; sys.path.insert(0, 'generator'); from openapi_python_client.cli import app; app()"
IMPORT_GENERATED = """
import importlib, pkgutil, sys
sys.path.insert(0, "")
package = importlib.import_module("chat_rest")
modules = [importlib.import_module(module.name) for module in pkgutil.walk_packages(package.__path__, "chat_rest.")]
print(len(modules))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    # A build leaves its own folders among the sources.
    sources = shutil.copytree(CLIENT, folder / "sources", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps"]
    run_command([*pip, "--wheel-dir", str(folder), str(sources)], folder)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_its_types_and_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    assert "chat_client/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)
    assert "Requires-Python: >=3.10\n" in metadata


def test_every_module_can_be_imported_by_python_3_10(wheel: Path, installed: Path, tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--quiet"]
    oldest = ["--python-version", "3.10", "--only-binary", ":all:", "--target", str(tmp_path / "site")]
    run_command([*install, *oldest, *versions.PYTHON_3_10, str(wheel)], tmp_path)
    shutil.copy(PROGRAM, installed)
    output = run_command(["node", PROGRAM.name, str(tmp_path / "site"), IMPORT_ALL], installed)
    modules = [path for path in (CLIENT / "chat_client").rglob("*.py") if path.name != "__init__.py"]
    assert f"(3, 10): {len(modules)} modules" in output


def test_a_generated_client_of_the_rest_calls_can_be_imported(tmp_path: Path) -> None:
    # Its other libraries are those of the tests. It formats what it made, which needs a program and says nothing more.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--quiet"]
    run_command([*pip, "--target", str(tmp_path / "generator"), *versions.OPENAPI_PYTHON_CLIENT], tmp_path)
    (tmp_path / "settings.yml").write_text("post_hooks: []\n")
    made = ["--path", str(DOCUMENT), "--output-path", "chat_rest", "--meta", "none", "--config", "settings.yml"]
    run_command([sys.executable, "-c", GENERATE, "generate", *made, "--fail-on-warning"], tmp_path)
    assert int(run_command([sys.executable, "-W", "error", "-c", IMPORT_GENERATED], tmp_path)) > 50
