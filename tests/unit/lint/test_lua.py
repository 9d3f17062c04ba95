"""luacheck finds nothing in the scripts as Redis gets them: put together from their files, with every placeholder filled."""

import importlib
import pkgutil
import shutil
import subprocess
from pathlib import Path

import pytest

import services
import shared
from shared.redis.scripts import Script

OPTIONS = [
    "--std",
    "lua51",
    *("--read-globals", "redis", "cjson", "cmsgpack", "struct", "bit", "KEYS", "ARGV"),
    *("--no-max-line-length", "--formatter", "plain", "--no-color"),
]
SHARED_FUNCTION = "unused function"
"""A file of functions may hold more than one script needs."""


def all_scripts() -> list[Script]:
    """Every script that the services declare, each as a name of a module."""
    found: dict[int, Script] = {}
    for root in (shared, services):
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not module.name.endswith("__main__"):
                values = vars(importlib.import_module(module.name)).values()
                found |= {id(value): value for value in values if isinstance(value, Script)}
    return list(found.values())


def complaints(texts: list[str], folder: Path) -> list[str]:
    """What luacheck says of scripts: `folder/0.lua` is the first one."""
    files = [f"{number}.lua" for number in range(len(texts))]
    for name, text in zip(files, texts, strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(["luacheck", *files, *OPTIONS], cwd=folder, capture_output=True, text=True, check=False)
    assert not done.stderr
    return [line for line in done.stdout.splitlines() if SHARED_FUNCTION not in line]


@pytest.fixture(scope="module", autouse=True)
def _luacheck() -> None:
    assert shutil.which("luacheck"), "install luacheck (Debian's package is lua-check)"


def test_no_script_has_a_fault(tmp_path: Path) -> None:
    scripts = all_scripts()
    assert len(scripts) > 20
    texts = {
        script._fill("", clustered=clustered)[1]: script._names for script in scripts for clustered in (False, True)
    }
    found = complaints(list(texts), tmp_path)
    names = {str(number): names for number, names in enumerate(texts.values())}
    assert [(names[line.partition(".lua")[0]], line) for line in found] == []


def test_a_fault_would_be_found(tmp_path: Path) -> None:
    assert complaints(["local place = 1\nreturn plaice\n"], tmp_path)
